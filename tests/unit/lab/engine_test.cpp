// The engine alone: steps, who can move, what a step touches, and how runs fail.
#include "quiesce/detail/lab/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine_support.hpp"

namespace quiesce::lab::detail {
namespace {

using namespace engine_tests;  // NOLINT: tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// ---- steps ----

TEST_F(EngineTest, AStepGoesFromOneVisiblePointToTheNext) {
  Script s(e, "mmbaabb");
  const RunEnd end = e.run(s, "main", [&] {
    point();
    for (const char* name : {"a", "b"}) {
      e.add_agent(name, [this, name] {
        for (const char* part : {"1", "2"}) {
          say(std::string(name) + part);
          point();
        }
        say(std::string(name) + "3");
      });
    }
  });
  EXPECT_FALSE(end.failure);
  EXPECT_THAT(log, ElementsAre("b1", "a1", "a2", "b2", "b3", "a3"));
  EXPECT_EQ(end.steps, 8u);
  EXPECT_EQ(s.steps.size(), 8u);
  EXPECT_THAT(s.ends, ElementsAre(true));
}

TEST_F(EngineTest, WhatAPointAnnouncesIsDoneInTheStepThatFollowsIt) {
  Least s;
  const LogicalId x{7};
  e.run(s, "main", [&] {
    EXPECT_EQ(e.step_number(), 0u);
    e.visible({x, Access::Write}, {"write", x, here()});
    EXPECT_EQ(e.step_number(), 1u);
    e.touch({x, Access::Write});  // again: once is enough
    e.touch({x, Access::Read});
  });
  const LogicalId main = child(LogicalId{}, 0);
  ASSERT_EQ(s.steps.size(), 2u);
  EXPECT_THAT(s.steps[0].touches, ElementsAre(Touch{main, Access::Write}));
  EXPECT_THAT(s.steps[1].touches,
              ElementsAre(Touch{x, Access::Write}, Touch{x, Access::Read}, Touch{main, Access::Write}));
}

TEST_F(EngineTest, MakingAnAgentTouchesIt) {
  Least s;
  LogicalId made;
  e.run(s, "main", [&] {
    made = e.add_agent("a", [] {});
    point();
  });
  const LogicalId main = child(LogicalId{}, 0);
  EXPECT_EQ(made, child(main, 0));
  EXPECT_THAT(s.steps[0].touches, ElementsAre(Touch{main, Access::Write}, Touch{made, Access::Write}));
  const auto first = std::ranges::find(s.steps, made, &Step::agent);
  EXPECT_THAT(first->touches, ElementsAre(Touch{made, Access::Write}));  // its first step and its last
}

TEST_F(EngineTest, EnabledIsSortedAndHoldsJustThoseThatCanMove) {
  /// What the body knows of itself: who is there, and which gate each waits for.
  struct Model : Random {
    using Random::Random;
    std::map<LogicalId, int> gate_of;
    int open = 0;

    std::size_t choose_index(std::span<const LogicalId> able) override {
      std::vector<LogicalId> expected;
      for (const auto& [id, gate] : gate_of) {
        if (gate <= open) expected.push_back(id);
      }
      EXPECT_EQ(std::vector(able.begin(), able.end()), expected);
      return Random::choose_index(able);
    }
  };
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Model s(seed);
    s.gate_of[child(LogicalId{}, 0)] = 0;
    e.run(s, "main", [&] {
      for (int gate = 0; gate < 6; ++gate) {
        const LogicalId made = e.add_agent("", [&, gate] {
          s.gate_of[e.self()] = gate;
          e.blocked_until([&, gate] { return s.open >= gate; }, {}, {"wait", {}, here()});
          s.gate_of[e.self()] = 0;
          point();
          ++s.open;
          s.gate_of.erase(e.self());
        });
        s.gate_of[made] = 0;
      }
      s.gate_of.erase(e.self());
    });
    EXPECT_EQ(s.open, 6);
    EXPECT_EQ(s.steps.size(), 1u + 6u * 3u);
  }
}

TEST_F(EngineTest, ABlockedAgentMovesOnlyWhileItsConditionHolds) {
  bool gate = false;
  Script s(e, "maoaccoc");
  e.run(s, "main", [&] {
    e.add_agent("opener", [&] {
      gate = true;
      point();
      gate = false;
      point();
      gate = true;
    });
    e.add_agent("closer", [&] {
      point();
      point();
    });
    e.add_agent("a", [&] {
      e.blocked_until([&] { return gate; }, {}, {"pass", {}, here()});
      say("through");
    });
  });
  // After the opener's first step "a" could move, and did.
  EXPECT_THAT(log, ElementsAre("through"));
  Script closed(e, "maoocc");
  gate = false;
  log.clear();
  const RunEnd end = e.run(closed, "main", [&] {
    e.add_agent("opener", [&] {
      gate = true;
      point();
      gate = false;
    });
    e.add_agent("closer", [&] { point(); });
    e.add_agent("a", [&] {
      e.blocked_until([&] { return gate; }, {}, {"pass", {}, here()});
      say("through");
    });
  });
  EXPECT_THAT(log, IsEmpty());
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::deadlock);
}

TEST_F(EngineTest, AgentsHaveTheSameIdsInEverySchedule) {
  std::set<std::set<LogicalId>> sets;
  std::set<std::uint64_t> hashes;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Random s(seed);
    std::set<LogicalId> ids;
    hashes.insert(e.run(s, "main", [&] {
                     for (int i = 0; i < 2; ++i) {
                       ids.insert(e.add_agent("", [&] {
                         ids.insert(e.new_object());
                         point();
                         ids.insert(e.add_agent("", [&] { ids.insert(e.new_object()); }));
                         ids.insert(e.add_agent("", [&] { ids.insert(e.self()); }));
                         ids.insert(e.new_object());
                       }));
                     }
                   }).trace_hash);
    sets.insert(ids);
  }
  EXPECT_EQ(sets.size(), 1u);
  EXPECT_EQ(sets.begin()->size(), 2u + 4u + 4u + 2u);
  EXPECT_GT(hashes.size(), 50u);
}

TEST_F(EngineTest, AgentsAndObjectsHaveNames) {
  Least s;
  std::vector<std::string> names;
  LogicalId mutex;
  e.run(s, "main", [&] {
    mutex = e.new_object("mutex");
    const LogicalId child_agent = e.add_agent("", [&] {
      const LogicalId grandchild = e.add_agent("", [] {});
      names.push_back(e.name_of(grandchild));
      names.push_back(e.name_of(e.new_object("atomic")));
    });
    names.push_back(e.name_of(e.self()));
    names.push_back(e.name_of(child_agent));
    names.push_back(e.name_of(mutex));
    e.set_name(mutex, "m");
    names.push_back(e.name_of(mutex));
    e.set_name(child_agent, "writer");
    names.push_back(e.name_of(child_agent));
  });
  EXPECT_THAT(names, ElementsAre("main", "t0", "mutex #0 of main", "mutex m", "writer", "writer.0",
                                 "atomic #0 of writer"));
  EXPECT_EQ(e.name_of(mutex), "mutex m");
}

TEST_F(EngineTest, AnIdIsTakenAgainOnlyAfterItsAgentHasEnded) {
  Least s;
  const LogicalId id{42};
  RunEnd end = e.run(s, "main", [&] {
    e.add_agent_as(id, "first", [&] { say("first"); });
    join(id);
    e.add_agent_as(id, "second", [&] { say("second"); });
    join(id);
  });
  EXPECT_FALSE(end.failure) << end.failure->message;
  EXPECT_THAT(log, ElementsAre("first", "second"));
  end = e.run(s, "main", [&] {
    e.add_agent_as(id, "first", [] {});
    e.add_agent_as(id, "second", [] {});
    point();
    say("not reached");
  });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::misuse);
  EXPECT_EQ(log.size(), 2u);
}

TEST_F(EngineTest, TheEngineIsCurrentInItsRunsOnly) {
  EXPECT_EQ(Engine::current(), nullptr);
  Least s;
  std::set<std::uint64_t> numbers;
  e.run(s, "main", [&] {
    EXPECT_EQ(Engine::current(), &e);
    numbers.insert(e.run_number());
    Engine inner;
    Least of_inner;
    inner.run(of_inner, "main", [&] {
      EXPECT_EQ(Engine::current(), &inner);
      numbers.insert(inner.run_number());
    });
    EXPECT_EQ(Engine::current(), &e);
  });
  e.run(s, "main", [&] { numbers.insert(e.run_number()); });
  EXPECT_EQ(Engine::current(), nullptr);
  EXPECT_EQ(numbers.size(), 3u);
}

// ---- choices and hashes ----

TEST_F(EngineTest, ChoicesHoldWhereThereWasOneAndEveryDraw) {
  Script s(e, "mmba");
  const RunEnd end = e.run(s, "main", [&] {
    point();
    e.add_agent("a", [] {});
    e.add_agent("b", [&] { EXPECT_EQ(e.draw(5), 0u); });
  });
  // main alone twice; then of a and b the one named b, its draw, and a alone.
  ASSERT_EQ(s.enabled[2].size(), 2u);
  const auto index_of_b =
      static_cast<std::uint32_t>(std::ranges::find(s.enabled[2], s.steps[2].agent) - s.enabled[2].begin());
  EXPECT_THAT(end.choices, ElementsAre(index_of_b, 0u));
}

void body_with_all(Engine& e, std::vector<int>& order) {
  const LogicalId x = e.new_object();
  std::vector<LogicalId> agents;
  for (int i = 0; i < 3; ++i) {
    agents.push_back(e.add_agent("", [&e, &order, x, i] {
      for (int n = 0; n < 4; ++n) {
        e.visible({x, n % 2 == 0 ? Access::Read : Access::Write}, {"touch", x, here()});
        order.push_back(i * 10 + static_cast<int>(e.draw(3)));
      }
    }));
  }
  for (LogicalId agent : agents)
    e.blocked_until([&e, agent] { return e.has_ended(agent); }, {agent, Access::Read}, {"join", agent, here()});
}

TEST_F(EngineTest, TheSameSeedGivesTheSameRun) {
  std::map<std::vector<int>, std::uint64_t> hash_of;
  std::set<std::uint64_t> hashes;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    std::vector<int> order;
    Random s(seed);
    const RunEnd end = e.run(s, "main", [&] { body_with_all(e, order); });
    Engine other;
    std::vector<int> order_again;
    Random same(seed);
    const RunEnd again = other.run(same, "main", [&] { body_with_all(other, order_again); });
    ASSERT_EQ(end.trace_hash, again.trace_hash);
    ASSERT_EQ(end.choices, again.choices);
    ASSERT_EQ(order, order_again);
    std::vector<int> order_replayed;
    Replay replay(end.choices);
    ASSERT_EQ(e.run(replay, "main", [&] { body_with_all(e, order_replayed); }).trace_hash, end.trace_hash);
    ASSERT_EQ(order, order_replayed);
    hashes.insert(end.trace_hash);
  }
  EXPECT_GT(hashes.size(), 990u);
}

TEST_F(EngineTest, TheHashSeesAgentsVerbsObjectsTouchesAndDraws) {
  const auto hash = [&](std::string_view verb, LogicalId object, Touch touch, bool draws) {
    Least s;
    return e
        .run(s, "main",
             [&] {
               e.visible(touch, {verb, object, here()});
               if (draws) e.draw(1);
             })
        .trace_hash;
  };
  const LogicalId x{1};
  const LogicalId y{2};
  const std::set<std::uint64_t> hashes = {
      hash("read", x, {x, Access::Read}, false),  hash("write", x, {x, Access::Read}, false),
      hash("read", y, {x, Access::Read}, false),  hash("read", x, {y, Access::Read}, false),
      hash("read", x, {x, Access::Write}, false), hash("read", x, {}, false),
      hash("read", x, {x, Access::Read}, true)};
  EXPECT_EQ(hashes.size(), 7u);
  EXPECT_TRUE(hashes.contains(hash(std::string("re") + "ad", x, {x, Access::Read}, false)));
}

TEST_F(EngineTest, AStrategyMayGiveUp) {
  struct Quitter : Least {
    LogicalId choose(std::span<const LogicalId> able) override {
      return enabled.size() == 2 ? LogicalId{} : Least::choose(able);
    }
  } s;
  const RunEnd end = e.run(s, "main", [&] {
    const Said said{log, "unwound"};
    for (int i = 0; i < 5; ++i) point();
    say("not reached");
  });
  EXPECT_FALSE(end.failure);
  EXPECT_EQ(end.steps, 2u);
  EXPECT_THAT(log, ElementsAre("unwound"));
  EXPECT_THAT(s.ends, ElementsAre(false));
}

TEST_F(EngineTest, AChoiceOrDrawThatCannotBeIsADivergence) {
  struct Wrong : Least {
    LogicalId choose(std::span<const LogicalId> able) override {
      return enabled.size() == 1 ? LogicalId{99} : Least::choose(able);
    }
    std::uint32_t draw(std::uint32_t n) override { return n; }
  } s;
  RunEnd end = e.run(s, "main", [&] { point(); });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::divergence);
  end = e.run(s, "main", [&] { e.draw(3); });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::divergence);
}

TEST_F(EngineTest, AStrategyThatThrowsLeavesNothingSuspended) {
  struct Thrower : Least {
    LogicalId choose(std::span<const LogicalId> able) override {
      if (enabled.size() == 1) throw std::runtime_error("no idea");
      return Least::choose(able);
    }
  } s;
  EXPECT_THROW(e.run(s, "main",
                     [&] {
                       const Said said{log, "unwound"};
                       point();
                     }),
               std::runtime_error);
  EXPECT_THAT(log, ElementsAre("unwound"));
  EXPECT_EQ(Engine::current(), nullptr);
  Least fine;
  EXPECT_FALSE(e.run(fine, "main", [&] { point(); }).failure);
}

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

// ---- exceptions and stacks ----

TEST_F(EngineTest, ExceptionsInFlightBelongToTheirAgent) {
  Script s(e, "mmabababab");
  const RunEnd end = e.run(s, "main", [&] {
    for (const char* name : {"a", "b"}) {
      e.add_agent(name, [this, name] {
        try {
          struct Points {
            EngineTest& test;
            ~Points() {
              EXPECT_EQ(std::uncaught_exceptions(), 1);
              test.point();
              EXPECT_EQ(std::uncaught_exceptions(), 1);
            }
          } points{*this};
          throw std::runtime_error(name);
        } catch (const std::runtime_error& first) {
          EXPECT_EQ(std::uncaught_exceptions(), 0);
          point();
          try {
            throw;
          } catch (const std::runtime_error& again) {
            EXPECT_EQ(std::string(again.what()), name);
            point();
            say(again.what());
          }
        }
        EXPECT_EQ(std::current_exception(), nullptr);
      });
    }
    point();
    EXPECT_EQ(std::current_exception(), nullptr);
  });
  EXPECT_FALSE(end.failure) << end.failure->message;
  EXPECT_THAT(log, ElementsAre("a", "b"));
  EXPECT_EQ(std::uncaught_exceptions(), 0);
}

TEST_F(EngineTest, AnAgentThatIsHandlingAnExceptionIsUnwoundToo) {
  Script s(e, "mam");
  e.run(s, "main", [&] {
    e.add_agent("a", [&] {
      const Said said{log, "a"};
      try {
        throw std::runtime_error("boom");
      } catch (const std::runtime_error&) { point(); }
    });
    point();
    e.fail(FailureKind::assertion, "stop");
  });
  EXPECT_THAT(log, ElementsAre("a"));
}

TEST_F(EngineTest, TheStrategyIsToldOfGuardsDrawsIdlingAndWhoWaits) {
  struct Told : Least {
    std::vector<std::size_t> idled_at;
    std::vector<std::pair<LogicalId, Touch>> waiting;
    void idled() override { idled_at.push_back(steps.size()); }
    void blocked(LogicalId agent, Touch pending) override { waiting.emplace_back(agent, pending); }
  } s;
  const LogicalId x{3};
  const LogicalId main = child(LogicalId{}, 0);
  e.on_idle = [&] {
    if (!e.is_asleep(main)) return false;
    e.wake(main);
    return true;
  };
  e.run(s, "main", [&] {
    e.visible({x, Access::Read}, {"read", x, here()});
    e.draw(2);
    e.touch({x, Access::Write});
    e.draw(2);
    e.blocked_until([] { return true; }, {x, Access::Acquire}, {"lock", x, here()});
    e.sleep({"sleep", {}, here()});
    e.blocked_until([] { return false; }, {x, Access::Acquire}, {"lock", x, here()});
  });
  ASSERT_EQ(s.steps.size(), 4u);
  EXPECT_THAT(s.steps[1].draws, ElementsAre(1u, 2u));
  EXPECT_THAT(s.steps[2].draws, IsEmpty());
  EXPECT_FALSE(s.steps[1].is_guarded);
  EXPECT_TRUE(s.steps[2].is_guarded);
  EXPECT_FALSE(s.steps[3].is_guarded);
  EXPECT_THAT(s.idled_at, ElementsAre(3u));
  EXPECT_THAT(s.waiting, ElementsAre(std::pair(main, Touch{x, Access::Acquire})));
}

TEST_F(EngineTest, WhatABodyCapturedIsDestroyedInItsAgent) {
  Least s;
  std::vector<std::string> owners;
  struct Names {
    Engine* engine;
    std::vector<std::string>* owners;
    Names(Engine& of, std::vector<std::string>& to) : engine(&of), owners(&to) {}
    Names(const Names&) = delete;
    Names& operator=(const Names&) = delete;
    ~Names() {
      engine->visible({}, {"destroy", {}, here()});
      owners->push_back(engine->name_of(engine->self()));
    }
  };
  e.run(s, "main", [&] { e.add_agent("a", [names = std::make_shared<Names>(e, owners)] {}); });
  EXPECT_THAT(owners, ElementsAre("a"));
}

TEST_F(EngineTest, ThousandsOfAgents) {
  Engine big({.steps = 1'000'000});
  Random s(1);
  int ended = 0;
  const RunEnd end = big.run(s, "main", [&] {
    std::vector<LogicalId> agents;
    for (int i = 0; i < 3000; ++i) {
      agents.push_back(big.add_agent("", [&] {
        big.visible({}, {"do", {}, here()});
        ++ended;
      }));
    }
    for (LogicalId agent : agents)
      big.blocked_until([&big, agent] { return big.has_ended(agent); }, {agent, Access::Read},
                        {"join", agent, here()});
  });
  EXPECT_FALSE(end.failure);
  EXPECT_EQ(ended, 3000);
}

TEST_F(EngineTest, AnAgentWithoutAStackIsMisuse) {
  Engine greedy({.stack_bytes = std::size_t{1} << 60});
  Least s;
  const RunEnd end = greedy.run(s, "main", [&] { say("began"); });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::misuse);
  EXPECT_EQ(end.failure->message, "there is no memory for the stack of main; 0 agents were made before it");
  EXPECT_THAT(log, IsEmpty());
}

TEST_F(EngineTest, TheTraceIsKeptOnRequest) {
  Least s;
  e.run(s, "main", [&] { point(); });
  EXPECT_TRUE(e.trace().empty());
  Engine traced({.keep_trace = true});
  const LogicalId x{3};
  traced.run(s, "main", [&] { traced.visible({x, Access::Read}, {"look", x, here()}); });
  const auto trace = traced.trace();
  ASSERT_EQ(trace.size(), 2u);
  EXPECT_EQ(trace[0].doing.verb, "start");
  EXPECT_EQ(trace[1].doing.verb, "look");
  EXPECT_EQ(trace[1].step, 1u);
  EXPECT_EQ(trace[1].agent, child(LogicalId{}, 0));
  EXPECT_EQ(trace[1].touches.front(), (Touch{x, Access::Read}));
  EXPECT_NE(trace[1].doing.where.line(), 0u);
  traced.run(s, "main", [] {});
  EXPECT_EQ(traced.trace().size(), 1u);
}

TEST_F(EngineTest, EngineAndBodyMayBeReusedAfterEveryEnd) {
  for (int i = 0; i < 200; ++i) {
    Random s(static_cast<std::uint64_t>(i));
    const RunEnd end = e.run(s, "main", [&] {
      const LogicalId a = e.add_agent("a", [&] {
        point();
        if (e.draw(3) == 0) e.fail(FailureKind::assertion, "unlucky");
        if (e.draw(3) == 0) e.sleep({"sleep", {}, here()});
      });
      join(a);
    });
    if (end.failure) { EXPECT_THAT(end.failure->message, Not(HasSubstr("besides"))); }
  }
}

}  // namespace
}  // namespace quiesce::lab::detail
