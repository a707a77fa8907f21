// The engine alone: who sleeps, who never wakes, and how runs fail.
#include "quiesce/detail/lab/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <stdexcept>
#include <string>

#include "engine_support.hpp"

namespace quiesce::lab::detail {
namespace {

using namespace engine_tests;  // NOLINT: tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// ---- sleeping ----

TEST_F(EngineTest, ASleeperMovesWhenItIsWoken) {
  Script s(e, "mama");
  const RunEnd end = e.run(s, "main", [&] {
    const LogicalId a = e.add_agent("a", [&] {
      e.sleep({"nap", {}, here()});
      say("woken");
    });
    point();
    EXPECT_TRUE(e.is_asleep(a));
    say("waking");
    e.wake(a);
    EXPECT_FALSE(e.is_asleep(a));
  });
  EXPECT_FALSE(end.failure);
  EXPECT_THAT(log, ElementsAre("waking", "woken"));
  const LogicalId a = child(child(LogicalId{}, 0), 0);
  EXPECT_THAT(s.steps[1].touches, ElementsAre(Touch{a, Access::Write}));          // begins, sleeps
  EXPECT_THAT(s.steps[2].touches, ::testing::Contains(Touch{a, Access::Write}));  // wakes it
  EXPECT_THAT(s.steps.back().touches, ElementsAre(Touch{a, Access::Write}));      // goes on, ends
}

TEST_F(EngineTest, AWakeBeforeTheSleepIsKeptAndOnlyOne) {
  Script s(e, "mma");
  const RunEnd end = e.run(s, "main", [&] {
    const LogicalId a = e.add_agent("a", [&] {
      e.sleep({"nap", {}, here()});
      say("once");
      e.sleep({"nap again", {}, here()});
      say("not reached");
    });
    e.wake(a);
    e.wake(a);
    point();
  });
  EXPECT_THAT(log, ElementsAre("once"));
  EXPECT_EQ(s.steps.size(), 3u);
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::deadlock);
  EXPECT_THAT(end.failure->message, HasSubstr("a waits to nap again"));
}

TEST_F(EngineTest, TheStepThatFallsAsleepTouchesTheSleeper) {
  Least s;
  const LogicalId x{3};
  e.run(s, "main", [&] {
    e.visible({x, Access::Read}, {"read", x, here()});
    e.sleep({"nap", {}, here()}, true);
  });
  EXPECT_THAT(s.steps.back().touches,
              ElementsAre(Touch{x, Access::Read}, Touch{child(LogicalId{}, 0), Access::Write}));
}

TEST_F(EngineTest, TheRunMayEndWhileWhoMaySleeps) {
  Least s;
  int idle_calls = 0;
  e.on_idle = [&] { return ++idle_calls < 100; };
  const RunEnd end = e.run(s, "main", [&] {
    e.add_agent("clerk", [&] {
      const Said said{log, "clerk unwound"};
      for (;;) e.sleep({"sleep", {}, here()}, true);
    });
    point();
  });
  EXPECT_FALSE(end.failure);
  EXPECT_THAT(log, ElementsAre("clerk unwound"));
  EXPECT_EQ(idle_calls, 0);
  EXPECT_THAT(s.ends, ElementsAre(true));
}

TEST_F(EngineTest, WhenNothingCanMoveTimePasses) {
  Engine traced({.keep_trace = true});
  Least s;
  const LogicalId main = child(LogicalId{}, 0);
  traced.on_idle = [&] {
    EXPECT_EQ(traced.self(), LogicalId{});
    traced.time_ns += 5;
    if (traced.time_ns == 10) traced.wake(main);
    return traced.time_ns <= 10;
  };
  RunEnd end = traced.run(s, "main", [&] {
    traced.sleep({"sleep", {}, here()});
    EXPECT_EQ(traced.time_ns, 10);
  });
  EXPECT_FALSE(end.failure);
  EXPECT_EQ(traced.trace().front().time_ns, 0);
  EXPECT_EQ(traced.trace().back().time_ns, 10);
  EXPECT_THAT(s.steps.back().touches, ElementsAre(Touch{main, Access::Write}));

  end = traced.run(s, "main", [&] {
    traced.sleep({"sleep", {}, here()});
    traced.sleep({"sleep for ever", {}, here()});
  });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::deadlock);
  EXPECT_THAT(end.failure->message, HasSubstr("main waits to sleep for ever"));
}

TEST_F(EngineTest, OnIdleMayMakeAgentsAndFail) {
  Least s;
  bool made = false;
  e.on_idle = [&] {
    if (made) {
      e.fail(FailureKind::oracle, "too late");
      return true;
    }
    made = true;
    e.add_agent_as(LogicalId{5}, "late", [&] { say("late"); });
    return true;
  };
  const RunEnd end = e.run(s, "main", [&] { e.sleep({"sleep", {}, here()}); });
  EXPECT_THAT(log, ElementsAre("late"));
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::oracle);
  EXPECT_THAT(s.steps.back().touches, ElementsAre(Touch{LogicalId{5}, Access::Write}));
}

TEST_F(EngineTest, TimeThatPassesInVainIsALivelock) {
  Least s;
  e.on_idle = [] { return true; };
  const RunEnd end = e.run(s, "main", [&] { e.sleep({"sleep", {}, here()}); });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::livelock);
  EXPECT_THAT(s.ends, ElementsAre(false));
}

// ---- failures ----

TEST_F(EngineTest, ADeadlockNamesTheCycle) {
  Script s(e, "mmabab");
  const LogicalId m{1};
  const LogicalId n{2};
  std::map<LogicalId, bool> held;
  const auto lock = [&](LogicalId mutex) {
    e.blocked_until([&held, mutex] { return !held[mutex]; }, {mutex, Access::Acquire}, {"lock", mutex, here()});
    held[mutex] = true;
  };
  const RunEnd end = e.run(s, "main", [&] {
    e.set_name(m, "m");
    e.set_name(n, "n");
    e.add_agent("a", [&] {
      lock(m);
      lock(n);
    });
    const LogicalId b = e.add_agent("b", [&] {
      lock(n);
      lock(m);
    });
    point();
    join(b);
  });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::deadlock);
  EXPECT_EQ(end.failure->message,
            "nothing can move: in a cycle a holds m and waits to lock n, b holds n and waits to lock m; "
            "besides, main waits to join b");
  EXPECT_THAT(s.ends, ElementsAre(true)) << "nothing was cut off";
}

TEST_F(EngineTest, ADeadlockMayBeDescribedByWhoKnowsMore) {
  Least s;
  e.describe_deadlock = [] { return std::string("task 3 waits for the permit of task 4"); };
  const RunEnd end = e.run(s, "main", [&] { e.sleep({"sleep", {}, here()}); });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->message, "nothing can move: task 3 waits for the permit of task 4");
}

TEST_F(EngineTest, ALongRunIsALivelock) {
  Engine small({.steps = 100});
  Least s;
  const RunEnd end = small.run(s, "main", [&] {
    for (;;) small.visible({}, {"spin", {}, here()});
  });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::livelock);
  EXPECT_EQ(end.failure->message, "no end after 100 steps; able to move: main (spin)");
  EXPECT_EQ(end.steps, 100u);
  // One that needs just as many is none.
  EXPECT_FALSE(small
                   .run(s, "main",
                        [&] {
                          for (int i = 0; i < 99; ++i) small.visible({}, {"spin", {}, here()});
                        })
                   .failure);
}

TEST_F(EngineTest, AnExceptionIsAFailure) {
  Script s(e, "mma");
  RunEnd end = e.run(s, "main", [&] {
    const Said said{log, "main unwound"};
    e.add_agent("a", [] { throw std::runtime_error("boom"); });
    point();
    point();
    say("not reached");
  });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::exception);
  EXPECT_EQ(end.failure->message, "a ended by an exception: boom");
  EXPECT_EQ(end.failure->step, 2u);
  EXPECT_THAT(log, ElementsAre("main unwound"));
  end = e.run(s, "main", [] { throw 7; });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::exception);
}

TEST_F(EngineTest, FailDoesNotReturn) {
  Least s;
  const RunEnd end = e.run(s, "main", [&] {
    const Said said{log, "unwound"};
    e.fail(FailureKind::assertion, "first");
    say("not reached");
  });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->message, "first");
  EXPECT_THAT(log, ElementsAre("unwound"));
  EXPECT_THAT(s.ends, ElementsAre(false));
}

TEST_F(EngineTest, TheFirstFailureCounts) {
  Least s;
  const RunEnd end = e.run(s, "main", [&] {
    struct Fails {
      Engine& engine;
      ~Fails() { engine.fail(FailureKind::misuse, "second"); }
    } fails{e};
    e.fail(FailureKind::assertion, "first");
  });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->message, "first");
}

TEST_F(EngineTest, FailReturnsWhereItCannotThrow) {
  Least s;
  RunEnd end = e.run(s, "main", [&] {
    struct Fails {
      EngineTest& test;
      ~Fails() {
        test.e.fail(FailureKind::misuse, "while unwinding");
        test.say("goes on");
      }
    };
    try {
      Fails fails{*this};
      throw std::runtime_error("boom");
    } catch (const std::runtime_error&) { say("caught"); }
    point();
    say("not reached");
  });
  EXPECT_EQ(end.failure->message, "while unwinding");
  EXPECT_THAT(log, ElementsAre("goes on", "caught"));
  log.clear();
  end = e.run(s, "main", [&] {
    e.fail_noexcept(FailureKind::misuse, "quietly");
    say("goes on");
    point();
    say("not reached");
  });
  EXPECT_EQ(end.failure->message, "quietly");
  EXPECT_THAT(log, ElementsAre("goes on"));
}

}  // namespace
}  // namespace quiesce::lab::detail
