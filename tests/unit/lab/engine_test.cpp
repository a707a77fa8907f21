// The engine alone: steps, who can move, what a step touches, and what the schedule chooses.
#include "quiesce/detail/lab/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine_support.hpp"

namespace quiesce::lab::detail {
namespace {

using namespace engine_tests;  // NOLINT: tests
using ::testing::ElementsAre;
using ::testing::IsEmpty;

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
  } s;
  struct DrawsTooMuch : Least {
    std::uint32_t draw(std::uint32_t n) override { return n; }
  } draws;
  RunEnd end = e.run(s, "main", [&] { point(); });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::divergence);
  EXPECT_EQ(end.failure->message, "at step 1 the choice is of nobody who can move; able to move: main (do)");
  end = e.run(draws, "main", [&] { e.draw(3); });
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->kind, FailureKind::divergence);
  EXPECT_EQ(end.failure->message, "at step 0 the choice is 3 of 3 ways, counted from 0");
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

}  // namespace
}  // namespace quiesce::lab::detail
