// The engine alone: agents and their stacks, the exceptions on them, what a strategy is told and what a trace keeps.
#include "quiesce/detail/lab/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
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
