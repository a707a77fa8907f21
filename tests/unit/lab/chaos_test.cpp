// What the lab makes go wrong: that it happens, that programs which bear it pass, and that a token and a step number bring it back.
#include <gtest/gtest.h>

#include <string>

#include "quiesce/lab.hpp"
#include "quiesce/lab/gtest.hpp"
#include "quiesce/obligation.hpp"
#include "quiesce/quiesce.hpp"

namespace q = quiesce;
namespace lab = quiesce::lab;
using namespace std::chrono_literals;
using lab::Chaos;
using lab::Fault;

namespace {

q::Task<> yields(q::Cx cx, int times) {
  for (int i = 0; i < times; ++i) co_await cx.yield();
}

struct Seen {
  int struck = 0, runs = 0;
};

/// A body that counts in how many runs `what` is true of a child's end.
template <class Strikes>
auto child_that(Seen& seen, Strikes strikes) {
  return [&seen, strikes](q::Cx cx, q::Scope<>&) -> q::Task<> {
    ++seen.runs;
    auto inner = [](q::Cx own, q::Scope<>& below) -> q::Task<> {
      auto h = co_await below.spawn(own, yields, 3);
      co_await h.join(own);
    };
    auto opened = q::region(cx, q::FailFast{}, inner);
    const q::Outcome<> outcome = co_await std::move(opened).outcome();
    if (strikes(outcome)) ++seen.struck;
  };
}

TEST(LabChaos, PanicsAreInjectedAndAreNoFailure) {
  Seen seen;
  auto body = child_that(seen, [](const q::Outcome<>& outcome) {
    return outcome.is_panicked() &&
           outcome.panic().message().find("injected panic in task 0.0") != std::string::npos;
  });
  EXPECT_LAB_OK(lab::explore({.max_runs = 200, .chaos = {.panic = {.one_in = 20}}}, body));
  EXPECT_GT(seen.struck, 10);
  EXPECT_LT(seen.struck, seen.runs);
}

TEST(LabChaos, AFaultAtAStepStrikesInEachRun) {
  Seen seen;
  auto body = child_that(seen, [](const q::Outcome<>& outcome) {
    return outcome.is_panicked() && outcome.panic().message().ends_with("at step 3");
  });
  EXPECT_LAB_OK(lab::run({.chaos = {.panic = {.at = {3}}}}, body));
  EXPECT_EQ(seen.struck, seen.runs);
}

TEST(LabChaos, SpawnsAndRegionsAreRefused) {
  int spawns = 0, regions = 0;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto spawned = scope.spawn(cx, yields, 1);
    if (!spawned) {
      ++spawns;
      lab::check(spawned.error().kind() == q::SpawnErrorKind::RegionAtCapacity, "its kind");
      lab::check(spawned.error().message().find("max_tasks (injected)") != std::string::npos, "its sentence");
    } else {
      co_await spawned->join(cx);
    }
    auto inner = [](q::Cx, q::Scope<>&) -> q::Task<> { co_return; };
    auto opened = scope.region(cx, q::FailFast{}, inner);
    const q::Outcome<> outcome = co_await std::move(opened).outcome();
    if (outcome.is_err()) ++regions;
  };
  EXPECT_LAB_OK(
      lab::explore({.strategy = lab::exhaustive(), .chaos = {.refused_spawn = {.one_in = 100}}}, body));
  EXPECT_GT(spawns, 0);
  EXPECT_GT(regions, 0);
}

TEST(LabChaos, AllocationsAreRefused) {
  int refused = 0;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    try {
      auto h = scope.spawn(cx, yields, 1).value();
      co_await h.join(cx);
    } catch (const std::bad_alloc&) { ++refused; }
    try {
      (void)q::Obligation::reserve(cx, q::ObligationKind::Lease);
    } catch (const std::bad_alloc&) { ++refused; }
  };
  EXPECT_LAB_OK(
      lab::explore({.strategy = lab::exhaustive(), .chaos = {.refused_allocation = {.one_in = 100}}}, body));
  EXPECT_GT(refused, 1);
}

TEST(LabChaos, ASpentBudgetCancelsTheRegion) {
  Seen seen;
  auto body = child_that(seen, [](const q::Outcome<>& outcome) {
    return outcome.is_cancelled() && outcome.cancel_reason().root_kind() == q::CancelKind::PollQuota;
  });
  EXPECT_LAB_OK(lab::explore({.max_runs = 200, .chaos = {.spent_budget = {.one_in = 20}}}, body));
  EXPECT_GT(seen.struck, 5);
}

TEST(LabChaos, RequestsComeAtCancelPoints) {
  Seen seen;
  auto body = child_that(seen, [](const q::Outcome<>& outcome) { return outcome.is_cancelled(); });
  EXPECT_LAB_OK(lab::explore({.max_runs = 200, .chaos = {.cancel = {.one_in = 10}}}, body));
  EXPECT_GT(seen.struck, 5);
}

// A timeout that no program's own delays could reach.
auto timed(int& late) {
  return [&late](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto work = scope.spawn(cx, yields, 5).value();
    auto ended = scope.timeout(cx, 500ms, std::move(work));
    const q::Outcome<> outcome = co_await std::move(ended).outcome();
    if (!outcome.is_ok()) ++late;
  };
}

TEST(LabChaos, DelaysAndClockJumpsLetTimersOvertakeWork) {
  int late = 0;
  EXPECT_LAB_OK(lab::explore({.max_runs = 100}, timed(late)));
  EXPECT_EQ(late, 0);
  EXPECT_LAB_OK(lab::explore({.max_runs = 100, .chaos = {.delay = {.one_in = 5}}}, timed(late)));
  EXPECT_GT(late, 0);
  late = 0;
  EXPECT_LAB_OK(lab::explore({.max_runs = 100, .chaos = {.clock_jump = {.one_in = 5}}}, timed(late)));
  EXPECT_GT(late, 0);
  late = 0;
  const Chaos short_ones = {
      .delay = {.one_in = 1}, .clock_jump = {.one_in = 2}, .delay_max = 1ms, .jump_max = 1ms};
  EXPECT_LAB_OK(lab::explore({.max_runs = 100, .chaos = short_ones}, timed(late)));
  EXPECT_EQ(late, 0) << "never longer than asked for";
}

TEST(LabChaos, DelaysOnSimulatedWorkers) {
  int late = 0;
  EXPECT_LAB_OK(lab::explore({.max_runs = 100,
                              .workers = 2,
                              .scheduling = lab::Scheduling::workers,
                              .chaos = {.delay = {.one_in = 5}, .clock_jump = {.one_in = 10}}},
                             timed(late)));
  EXPECT_GT(late, 0);
}

TEST(LabChaos, AConditionWakesForNoReason) {
  auto waits_once = [] {
    lab::mutex lock;
    lab::condition changed;
    lab::shared<int> ready{0};
    lab::thread waiter([&] {
      std::unique_lock hold(lock);
      if (ready.read() == 0) changed.wait(hold);  // should be a loop
      lab::check(ready.read() == 1, "went on before it was ready");
    });
    {
      const std::scoped_lock hold(lock);
      ready.write(1);
      changed.notify_all();
    }
    waiter.join();
  };
  EXPECT_LAB_OK(lab::explore_threads({.strategy = lab::dpor()}, waits_once));
  const lab::Options options{.strategy = lab::dpor(), .chaos = {.spurious_wake = {.one_in = 10}}};
  const lab::Report report = lab::explore_threads(options, waits_once);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->message, "went on before it was ready");
  const lab::Report again = lab::replay_threads(report.failure()->token, waits_once);
  ASSERT_TRUE(again.failed()) << "the token knows of the chaos";
  EXPECT_EQ(again.failure()->message, "went on before it was ready");
}

TEST(LabChaos, AFailureUnderChaosIsReplayedByItsToken) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    bool undone = true;
    auto half = [&](q::Cx own) -> q::Task<> {
      undone = false;
      co_await own.yield();  // a panic here loses the other half
      undone = true;
    };
    auto inner = [&](q::Cx own, q::Scope<>& below) -> q::Task<> {
      auto h = below.spawn(own, q::unsafe_send(half)).value();
      co_await h.join(own);
    };
    auto opened = scope.region(cx, q::FailFast{}, inner);
    (void)co_await std::move(opened).outcome();
    lab::check(undone, "half of it was done");
  };
  EXPECT_LAB_OK(lab::explore({.max_runs = 100}, body));
  const lab::Options options{.max_runs = 2'000, .chaos = {.panic = {.one_in = 30}, .delay_max = 3ms}};
  const lab::Report report = lab::explore(options, body);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->message, "half of it was done");
  EXPECT_NE(report.failure()->token.find(".xp30D3000000."), std::string::npos) << report.failure()->token;
  const lab::Report again = lab::replay(report.failure()->token, body);
  ASSERT_TRUE(again.failed());
  EXPECT_EQ(again.failure()->message, report.failure()->message);
}

}  // namespace
