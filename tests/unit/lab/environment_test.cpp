// What the environment asks of explorations: read, refused, and followed.
#include "lab/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <string>

#include "lab/run_mode.hpp"
#include "quiesce/lab.hpp"

namespace q = quiesce;

namespace quiesce::lab {
namespace {

using detail::Environment;
using detail::RunMode;
using testing::ContainsRegex;
using testing::HasSubstr;

std::expected<Environment, std::string> read(const std::map<std::string, std::string>& variables) {
  return Environment::read([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

// ---- what is read ----

TEST(LabEnvironment, NothingSetAsksForNothing) {
  for (const auto& environment : {read({}), read({{"QUIESCE_REPLAY", ""}, {"QUIESCE_HUNT", ""}})}) {
    ASSERT_TRUE(environment.has_value());
    EXPECT_FALSE(environment->replay.has_value());
    EXPECT_FALSE(environment->hunt.has_value());
    EXPECT_EQ(environment->status, "");
    EXPECT_EQ(environment->crash_packs, "");
  }
}

TEST(LabEnvironment, AHuntOrderIsRead) {
  const auto order = parse_hunt_order("strategy=pct3,cancels=1,seed=18446744073709551615,runs=10,seconds=2.5");
  ASSERT_TRUE(order.has_value()) << order.error();
  EXPECT_EQ(order->strategy.kind, StrategySpec::Kind::Pct);
  EXPECT_EQ(order->strategy.parameter, 3u);
  EXPECT_TRUE(order->cancels);
  EXPECT_EQ(order->seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(order->runs, 10u);
  EXPECT_EQ(order->seconds, 2.5);
  EXPECT_EQ(to_string(*order), "strategy=pct3,cancels=1,seed=18446744073709551615,runs=10,seconds=2.5");
}

TEST(LabEnvironment, StrategiesAreReadAsTheyArePrinted) {
  for (const StrategySpec strategy : {random(), pct(1), pct(5), exhaustive(), exhaustive(2), dpor()}) {
    const auto again = parse_strategy(to_string(strategy));
    ASSERT_TRUE(again.has_value()) << again.error();
    EXPECT_EQ(again->kind, strategy.kind);
    EXPECT_EQ(again->parameter, strategy.parameter);
  }
}

TEST(LabEnvironment, WhatCannotBeReadIsSaid) {
  const std::map<std::string, std::string> wrong = {
      {"strategy=luck,runs=1", "there is no strategy 'luck'; it knows random, pct<d>"},
      {"strategy=pct,runs=1", "there is no strategy 'pct'"},
      {"strategy=random2,runs=1", "there is no strategy 'random2'"},
      {"strategy=dpor,sed=1", "there is no 'sed'; it knows strategy, cancels, seed, runs and seconds"},
      {"runs", "'runs' is no key=value, as in strategy=pct3,seed=7,runs=1000"},
      {"runs=many", "'runs=many' should give a number of runs"},
      {"seed=-1,runs=1", "'seed=-1' should give a number from 0 to 2^64 - 1"},
      {"cancels=yes,runs=1", "'cancels=yes' should give 0 or 1"},
      {"seconds=-1", "'seconds=-1' should give a number of seconds"},
      {"seconds=nan", "'seconds=nan' should give a number of seconds"},
      {"seed=1", "nothing bounds the hunt: give runs=<n>, seconds=<s>, or both"},
  };
  for (const auto& [text, says] : wrong) {
    const auto environment = read({{"QUIESCE_HUNT", text}});
    ASSERT_FALSE(environment.has_value()) << text;
    EXPECT_THAT(environment.error(), HasSubstr("QUIESCE_HUNT: " + says));
  }
  const auto token = read({{"QUIESCE_REPLAY", "nonsense!"}});
  ASSERT_FALSE(token.has_value());
  EXPECT_EQ(token.error(), "QUIESCE_REPLAY: the token is cut off, or not a token");
  const auto both =
      read({{"QUIESCE_REPLAY", detail::RunMode{}.prefix() + "AXz_Oas"}, {"QUIESCE_HUNT", "runs=1"}});
  ASSERT_FALSE(both.has_value());
}

RC_GTEST_PROP(LabRunMode, APrefixIsTakenOffAsItWasPut, ()) {
  RunMode mode;
  if (*rc::gen::arbitrary<bool>()) mode.body = *rc::gen::arbitrary<std::uint32_t>();
  if (*rc::gen::arbitrary<bool>()) mode.seed = *rc::gen::arbitrary<std::uint64_t>();
  mode.workers = *rc::gen::inRange(1u, 9u);
  mode.draws_cancels = *rc::gen::arbitrary<bool>();
  const std::string text = " " + mode.prefix() + "AQxyz \n";
  std::string_view token = text;
  RC_ASSERT(RunMode::take_from(token) == mode);
  RC_ASSERT(token == "AQxyz");
}

TEST(LabRunMode, WhatIsNoPrefixStays) {
  for (const std::string text :
       {"q7.AQ", "s.AQ", "sx.AQ", "b12.AQ", "b123456789.AQ", "c1.AQ", ".AQ", "w99999999999.AQ"}) {
    std::string_view token = text;
    EXPECT_EQ(RunMode::take_from(token), RunMode{}) << text;
    EXPECT_EQ(token, text);
  }
}

// ---- what is followed ----

class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

struct StatusFile {
  std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / ("quiesce_environment_test_" + std::to_string(::getpid()));
  StatusFile() { std::filesystem::remove(path); }
  ~StatusFile() { std::filesystem::remove(path); }
  std::string text() const {
    std::ifstream in(path);
    std::ostringstream all;
    all << in.rdbuf();
    return all.str();
  }
};

/// Fails when the second thread is first.
const auto racing = [] {
  atomic<int> first{0};
  auto come = [&](int who) {
    int nobody = 0;
    first.compare_exchange_strong(nobody, who);
  };
  thread a(come, 1), b(come, 2);
  a.join();
  b.join();
  check(first.load() == 1, "b came first");
};
const auto harmless = [] { atomic<int> x{0}; };

TEST(LabEnvironment, AReplayIsOfTheTokensBodyAlone) {
  const Report found = explore_threads({.strategy = exhaustive()}, racing);
  ASSERT_TRUE(found.failed());
  const StatusFile status;
  const Variable replay(replay_variable, found.failure()->token), told(status_variable, status.path.string());

  testing::internal::CaptureStderr();
  const Report again = explore_threads({.strategy = random(), .seed = 99}, racing);
  const std::string printed = testing::internal::GetCapturedStderr();
  EXPECT_EQ(again.runs, 1u);
  ASSERT_TRUE(again.failed());
  EXPECT_EQ(again.failure()->message, "b came first");
  EXPECT_EQ(again.failure()->schedule, found.failure()->schedule);
  EXPECT_EQ(printed, again.text());
  EXPECT_THAT(status.text(), HasSubstr(R"("mode":"replay")"));
  EXPECT_THAT(status.text(), HasSubstr(R"("message":"b came first")"));

  const Report other = explore_threads({.strategy = exhaustive()}, harmless);
  EXPECT_FALSE(other.failed());
  EXPECT_EQ(other.runs, 0u);
  EXPECT_THAT(status.text(), HasSubstr(R"("event":"skipped")"));
}

TEST(LabEnvironment, AHuntTakesThePlaceOfStrategySeedAndBudget) {
  const StatusFile status;
  const Variable hunt(hunt_variable, "strategy=random,seed=5,runs=30"),
      told(status_variable, status.path.string());
  const Report report = explore_threads({.strategy = exhaustive(), .max_runs = 1'000'000}, harmless);
  EXPECT_EQ(report.runs, 30u);
  EXPECT_FALSE(report.exhausted);
  const Report found = explore_threads({.strategy = exhaustive(), .max_runs = 1}, racing);
  ASSERT_TRUE(found.failed());
  EXPECT_THAT(status.text(), HasSubstr(R"("mode":"hunt")"));
  EXPECT_THAT(status.text(), HasSubstr(R"("runs":30)"));
  EXPECT_THAT(status.text(), HasSubstr(found.failure()->token));
  EXPECT_THAT(status.text(), HasSubstr("compare_exchange at environment_test.cpp:"));
}

TEST(LabEnvironment, AHuntEndsWhenItsTimeIsOver) {
  const Variable hunt(hunt_variable, "strategy=random,seconds=0.000001");
  const Report report = explore_threads({.strategy = exhaustive(), .max_runs = 1'000'000}, harmless);
  EXPECT_LT(report.runs, 1'000u);
}

/// Money is lost when a request lands in the middle.
const auto transfer = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
  int from = 100, to = 0;
  auto move = [&](q::Cx mine) -> q::Task<> {
    from -= 10;
    co_await mine.yield();
    to += 10;
  };
  auto moving = scope.spawn(cx, q::unsafe_send(move)).value();
  auto waiting = moving.join(cx);
  (void)co_await std::move(waiting).outcome();
  check(from + to == 100, "money was lost");
};

TEST(LabEnvironment, AHuntWithCancelsInjectsThemAndItsTokenReplays) {
  std::string token;
  {
    const StatusFile status;
    const Variable told(status_variable, status.path.string());
    {
      const Variable hunt(hunt_variable, "strategy=random,runs=200");
      EXPECT_FALSE(explore({}, transfer).failed());
    }
    const Variable hunt(hunt_variable, "strategy=pct2,cancels=1,runs=200");
    const Report found = explore({}, transfer);
    ASSERT_TRUE(found.failed());
    EXPECT_THAT(found.failure()->message, HasSubstr("money was lost"));
    token = found.failure()->token;
    EXPECT_THAT(token, HasSubstr(".c."));
    EXPECT_THAT(status.text(), ContainsRegex(R"("failed":true.*"landed":\["[0-9a-f]+")"));
  }
  const Report again = replay(token, transfer);
  ASSERT_TRUE(again.failed());
  EXPECT_THAT(again.failure()->message, HasSubstr("money was lost"));
}

TEST(LabEnvironment, AVariableThatCannotBeReadFailsEveryExploration) {
  const Variable hunt(hunt_variable, "runs=some");
  for (const Report& report : {explore_threads({}, harmless), explore({}, transfer)}) {
    ASSERT_TRUE(report.failed());
    EXPECT_EQ(report.runs, 0u);
    EXPECT_EQ(report.failure()->kind, FailureKind::misuse);
    EXPECT_EQ(report.failure()->message, "QUIESCE_HUNT: 'runs=some' should give a number of runs");
  }
}

TEST(LabEnvironment, AReplayThatWasAskedForInTheCodeIsThatOne) {
  const Report found = explore_threads({.strategy = exhaustive()}, racing);
  ASSERT_TRUE(found.failed());
  const Variable hunt(hunt_variable, "runs=1");
  EXPECT_TRUE(replay(found.failure()->token, racing).failed());
}

// ---- whose token ----

void function_body() { check(false, "always"); }
void other_function_body() { check(false, "always too"); }

TEST(LabTokenIdentity, ATokenOfAnotherBodyIsRefusedWithBothNames) {
  const std::string token = explore_threads({.strategy = exhaustive()}, racing).failure()->token;
  const auto info = read_token(token);
  ASSERT_TRUE(info.has_value());
  EXPECT_NE(info->body, 0u);
  for (const Report& report : {replay(token, harmless), replay(token, transfer)}) {
    ASSERT_TRUE(report.failed());
    EXPECT_EQ(report.runs, 0u);
    EXPECT_EQ(report.failure()->kind, FailureKind::divergence);
    EXPECT_THAT(report.failure()->message, HasSubstr("the token is of another body"));
  }
}

TEST(LabTokenIdentity, FunctionsOfOneTypeAreToldApart) {
  const std::string token = explore_threads({}, function_body).failure()->token;
  EXPECT_THAT(replay(token, &function_body).failure()->message, HasSubstr("always"));
  EXPECT_THAT(replay(token, other_function_body).failure()->message, HasSubstr("of another body"));
}

TEST(LabTokenIdentity, AFunctionObjectCanBeOfAnyBody) {
  const std::function<void()> erased = racing;
  const std::string token = explore_threads({.strategy = exhaustive()}, erased).failure()->token;
  EXPECT_EQ(read_token(token)->body, 0u);
  EXPECT_EQ(replay(token, racing).failure()->message, "b came first");
  const std::string own = explore_threads({.strategy = exhaustive()}, racing).failure()->token;
  EXPECT_EQ(replay(own, erased).failure()->message, "b came first");
}

}  // namespace
}  // namespace quiesce::lab
