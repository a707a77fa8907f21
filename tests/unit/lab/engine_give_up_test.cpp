// Runs that are given up: every stack is unwound, or its agent named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>

#include "engine_support.hpp"
#include "leaks.hpp"

namespace quiesce::lab::detail {
namespace {

using namespace engine_tests;  // NOLINT: tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct EngineGiveUpTest : EngineTest {};

TEST_F(EngineGiveUpTest, SuspendedAgentsAreUnwoundTheLastMadeFirst) {
  Script s(e, "mabcm");
  e.run(s, "main", [&] {
    const Said said{log, "main"};
    for (const char* name : {"a", "b", "c"}) {
      e.add_agent(name, [this, name] {
        const Said inner{log, name};
        if (*name == 'a') point();
        if (*name == 'b') e.sleep({"sleep", {}, here()});
        if (*name == 'c') e.blocked_until([] { return false; }, {}, {"wait", {}, here()});
        say("not reached");
      });
    }
    point();
    e.fail(FailureKind::assertion, "stop");
  });
  EXPECT_THAT(log, ElementsAre("c", "b", "a", "main"));
}

TEST_F(EngineGiveUpTest, AgentsThatNeverBeganDoNotBegin) {
  Script s(e, "m");
  auto captured = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = captured;
  e.run(s, "main", [this, captured = std::move(captured)] {
    e.add_agent("a", [this, captured] { say("began"); });
    e.fail(FailureKind::assertion, "stop");
  });
  EXPECT_THAT(log, IsEmpty());
  EXPECT_TRUE(watch.expired());
}

TEST_F(EngineGiveUpTest, AgentsMadeByDestructorsOfAGivenUpRunDoNotBegin) {
  Least s;
  e.run(s, "main", [&] {
    struct Makes {
      EngineGiveUpTest& test;
      ~Makes() {
        const LogicalId late = test.e.add_agent("late", [this] { test.say("began"); });
        EXPECT_TRUE(test.e.has_ended(late));
        test.join(late);
        test.e.wake(late);
        test.say("made");
      }
    } makes{*this};
    e.fail(FailureKind::assertion, "stop");
  });
  EXPECT_THAT(log, ElementsAre("made"));
}

TEST_F(EngineGiveUpTest, PointsInDestructorsOfAGivenUpRunArePassed) {
  Least s;
  const RunEnd end = e.run(s, "main", [&] {
    struct Visits {
      EngineGiveUpTest& test;
      ~Visits() {
        EXPECT_TRUE(test.e.is_aborting());
        test.point();
        test.e.visible_noexcept({}, {"unlock", {}, here()});
        test.e.sleep({"sleep", {}, here()});
        test.e.blocked_until([] { return false; }, {}, {"wait", {}, here()});
        EXPECT_EQ(test.e.draw(4), 0u);
        test.say("passed");
      }
    } visits{*this};
    e.fail(FailureKind::assertion, "stop");
  });
  EXPECT_THAT(log, ElementsAre("passed"));
  EXPECT_EQ(end.steps, 1u);
}

TEST_F(EngineGiveUpTest, AWaitInADestructorLetsTheOthersBeUnwoundFirst) {
  // The waiting agent was made last, so it is unwound first: its destructor waits for one made before it.
  Script s(e, "mab");
  e.run(s, "main", [&] {
    const LogicalId a = e.add_agent("a", [&] {
      const Said said{log, "a"};
      point();
    });
    e.add_agent("b", [this, a] {
      struct Joins {
        EngineGiveUpTest& test;
        LogicalId agent;
        ~Joins() {
          test.join(agent);
          test.say("b joined");
        }
      } joins{*this, a};
      e.fail(FailureKind::assertion, "stop");
    });
  });
  EXPECT_THAT(log, ElementsAre("a", "b joined"));
}

TEST_F(EngineGiveUpTest, NoexceptPointsOfAGivenUpRunReturn) {
  Script s(e, "mam");
  e.run(s, "main", [&] {
    e.add_agent("a", [&] {
      e.visible_noexcept({}, {"unlock", {}, here()});
      say("goes on");
      point();
      say("not reached");
    });
    point();
    e.fail(FailureKind::assertion, "stop");
  });
  EXPECT_THAT(log, ElementsAre("goes on"));
}

TEST_F(EngineGiveUpTest, WhoSwallowsTheAbortIsAbandonedAndNamed) {
  Script s(e, "mam");
  const auto body = [&] {
    e.add_agent("a", [&] {
      for (;;) {
        try {
          point();
        } catch (...) {}
      }
    });
    point();
    e.fail(FailureKind::assertion, "stop");
  };
  RunEnd end = e.run(s, "main", body);
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::assertion);
  EXPECT_THAT(end.failure->message, HasSubstr("stop; besides, a goes on though the run is given up"));

  struct Quitter : Least {
    LogicalId choose(std::span<const LogicalId> able) override {
      return enabled.size() == 5 ? LogicalId{} : Least::choose(able);
    }
  } quitter;
  end = e.run(quitter, "main", [&] {
    for (;;) {
      try {
        point();
      } catch (...) {}
    }
  });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::misuse);
  Least fine;
  EXPECT_FALSE(e.run(fine, "main", [&] { point(); }).failure);
}

TEST_F(EngineGiveUpTest, WhoSpinsInADestructorIsAbandoned) {
  const quiesce::tests::LeaksAllowed of_the_exception_that_is_in_flight_for_ever;
  Least s;
  const RunEnd end = e.run(s, "main", [&] {
    struct Spins {
      EngineGiveUpTest& test;
      ~Spins() {
        for (;;) test.point();
      }
    } spins{*this};
    e.fail(FailureKind::assertion, "stop");
  });
  EXPECT_THAT(end.failure->message, HasSubstr("main goes on"));
}

TEST_F(EngineGiveUpTest, WhoSwallowsTheAbortOnceGetsItAgain) {
  Script s(e, "mam");
  const RunEnd end = e.run(s, "main", [&] {
    e.add_agent("a", [&] {
      for (int i = 0; i < 3; ++i) {
        try {
          point();
        } catch (const RunAborted&) { say("swallowed"); }
      }
    });
    point();
    e.fail(FailureKind::assertion, "stop");
  });
  EXPECT_THAT(log, ElementsAre("swallowed", "swallowed", "swallowed"));
  EXPECT_EQ(end.failure->message, "stop");
}

TEST_F(EngineGiveUpTest, ANoexceptFunctionOnAStackEndsTheAgentAndNotTheProcess) {
  Script s(e, "mam");
  const RunEnd end = e.run(s, "main", [&] {
    const Said said{log, "main unwound"};
    e.add_agent("a", [&] {
      const auto inner = [&]() noexcept { point(); };
      inner();
      say("not reached");
    });
    point();
    e.fail(FailureKind::assertion, "stop");
  });
  EXPECT_EQ(end.failure->message, "stop");
  EXPECT_THAT(log, ElementsAre("main unwound"));
  Least fine;
  EXPECT_FALSE(e.run(fine, "main", [&] { point(); }).failure);
}

TEST(EngineGiveUpDeathTest, TerminateForAnotherReasonIsNotHeldUp) {
  EXPECT_DEATH(
      {
        std::set_terminate([] {
          std::fputs("my handler\n", stderr);
          std::abort();
        });
        Engine e;
        Least s;
        e.run(s, "main", [&] {
          struct Terminates {
            ~Terminates() { std::terminate(); }
          } terminates;
          e.fail(FailureKind::assertion, "stop");
        });
      },
      "my handler");
}

TEST(EngineGiveUpDeathTest, AStackThatOverflowsFaults) {
  struct Deep {
    static std::size_t go(std::size_t n) {
      volatile char room[1024] = {};
      room[n % sizeof room] = 1;
      return n == 0 ? 0 : go(n - 1) + static_cast<std::size_t>(room[0]);
    }
  };
  EXPECT_DEATH(
      {
        Engine e;
        Least s;
        e.run(s, "main", [] { Deep::go(1'000'000); });
      },
      "");
}

}  // namespace
}  // namespace quiesce::lab::detail
