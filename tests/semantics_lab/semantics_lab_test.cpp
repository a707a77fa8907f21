// What the lab does with the semantics tests: that its list is right, and that it notices what it is there for.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "lab/planted.hpp"
#include "leaks.hpp"
#include "quiesce/lab/gtest.hpp"
#include "quiesce/testing/stepper.hpp"
#include "semantics_lab/registry.hpp"
#include "semantics_lab/run.hpp"
#include "semantics_lab/runtime.hpp"

namespace quiesce::semantics::in_lab {
namespace {

using namespace std::chrono_literals;
using detail::Defect;
using lab::FailureKind;
using testing::Stepper;

TEST(SemanticsLab, TheSpecialTestsExistAndHaveAReason) {
  std::set<std::string> seen;
  for (const SpecialTest& test : special_tests()) {
    EXPECT_TRUE(is_known(test.name)) << test.name << " is on the list, and there is no such test";
    EXPECT_TRUE(seen.insert(test.name).second) << test.name << " is on the list twice";
    EXPECT_GT(std::string(test.reason).size(), 10u) << test.name;
    EXPECT_TRUE(test.order != Order::any || !test.cancels) << test.name << " is explored like all others";
  }
  EXPECT_EQ(counts().out,
            static_cast<std::size_t>(std::ranges::count(special_tests(), Order::out, &SpecialTest::order)));
  EXPECT_GT(counts().tests, 10 * counts().out) << "most tests are in the lab";
}

struct Found {
  lab::Report report;
  bool chose = false;
};

lab::Options some_runs() {
  return {.seed = 1, .max_runs = 100, .step_limit = 2'000, .stack_bytes = 256 * 1024};
}

/// A run that is ended for good leaves behind whatever was on its stack.
Found explore(void (*run_once)(), const RunMode& mode, Defect defect = Defect::None) {
  const quiesce::tests::LeaksAllowed leaks;
  const lab::detail::Planted planted(defect);
  Found found;
  const auto one_run = one_run_of(run_once, mode, found.chose);
  found.report = mode.cancels ? lab::detail::drive(some_runs(), lab::detail::make_injection(1), one_run)
                              : lab::detail::drive(some_runs(), one_run);
  return found;
}

// ---- the strategy chooses what a Stepper steps ----

void two_tasks_in_order() {
  Stepper stepper;
  const RegionId root = stepper.create_root_region();
  std::vector<int> order;
  auto task = [](Cx, std::vector<int>* out, int number) -> Task<> {
    out->push_back(number);
    co_return;
  };
  for (int i = 0; i < 2; ++i)
    EXPECT_TRUE(stepper.scope(root).spawn(stepper.cx(root), task, unsafe_send(&order), i));
  stepper.run_until_idle();
  EXPECT_EQ(order, (std::vector{0, 1})) << "only first in, first out";
}

TEST(SemanticsLab, AnOrderThatIsNoRuleIsFoundAndReplayed) {
  const RunMode mode{.order = Order::any};
  const Found found = explore(two_tasks_in_order, mode);
  ASSERT_TRUE(found.report.failed());
  EXPECT_TRUE(found.chose);
  EXPECT_EQ(found.report.failure()->kind, FailureKind::assertion);
  EXPECT_NE(found.report.failure()->message.find("semantics_lab_test.cpp:"), std::string::npos);
  EXPECT_NE(found.report.failure()->message.find("only first in, first out"), std::string::npos);
  EXPECT_NE(found.report.failure()->schedule.find("task 0.0.1  steps"), std::string::npos)
      << found.report.text();
  bool chose = false;
  const lab::Report again = lab::detail::drive_replay(found.report.failure()->token, some_runs(),
                                                      one_run_of(two_tasks_in_order, mode, chose));
  ASSERT_TRUE(again.failed());
  EXPECT_EQ(again.failure()->message, found.report.failure()->message);
}

TEST(SemanticsLab, WithoutChoicesItIsAsWithoutTheLab) {
  const Found found = explore(two_tasks_in_order, {.order = Order::fifo});
  EXPECT_LAB_OK(found.report);
  EXPECT_FALSE(found.chose);
}

// ---- oracles ----

Task<> sleeps(Cx cx) { co_await cx.sleep(1h); }

/// Regions in regions with tasks, finalizers and a cancel request: of all that a defect may be in something.
Task<> much(Cx cx, Scope<>& scope) {
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(scope.defer_sync([] {}));
  auto innermost = [](Cx own, Scope<>& below) -> Task<> {
    (void)below.launch(own, sleeps);
    co_await own.sleep(1h);
  };
  auto inner = [&](Cx own, Scope<>&) -> Task<> { co_await region(own, FailFast{}, innermost); };
  (void)scope.launch(cx, sleeps);
  auto canceller = [](Cx own, Scope<> above) -> Task<> {
    co_await own.sleep(1s);
    above.cancel(CancelReason::shutdown("enough"));
    above.cancel(CancelReason::user("weaker"));
  };
  (void)scope.launch(cx, canceller, scope);
  co_await region(cx, FailFast{}, inner);
}

void much_on_a_stepper() {
  Stepper stepper;
  const RegionId root = stepper.create_root_region();
  const Cx cx = stepper.cx(root);
  auto body = [](Cx own, Scope<>& scope) -> Task<> { return much(own, scope); };
  (void)stepper.run(stepper.scope(root).region(cx, FailFast{}, body));
}

void much_on_a_runtime() {
  Runtime runtime = Runtime::builder().workers(1).build();
  auto body = [](Cx own, Scope<>& scope) -> Task<> { return much(own, scope); };
  (void)runtime.block_on(body);
}

struct Broken {
  Defect defect;
  const char* sentence;
};

class SemanticsLabOracles : public ::testing::TestWithParam<Broken> {};

TEST_P(SemanticsLabOracles, NoticeABrokenKernel) {
  for (auto* run_once : {much_on_a_stepper, much_on_a_runtime}) {
    for (const bool cancels : {false, true}) {
      const RunMode mode{.order = cancels ? Order::fifo : Order::any, .cancels = cancels};
      EXPECT_LAB_OK(explore(run_once, mode).report) << "without the defect";
      const lab::Report report = explore(run_once, mode, GetParam().defect).report;
      ASSERT_TRUE(report.failed()) << "cancels: " << cancels;
      EXPECT_EQ(report.failure()->kind, FailureKind::oracle) << report.text();
      EXPECT_NE(report.failure()->message.find(GetParam().sentence), std::string::npos) << report.text();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Defects, SemanticsLabOracles,
    ::testing::Values(Broken{Defect::TaskNotCounted, "(R4)"}, Broken{Defect::FinalizerOldestFirst, "(F1)"},
                      Broken{Defect::PhaseSkipped, "(C3)"}, Broken{Defect::ReasonWeakened, "(C2)"},
                      Broken{Defect::GrandchildForgotten, "(C4)"}, Broken{Defect::TaskForgotten, "(C4)"}));

// ---- requests ----

int passed = 0, cancelled = 0;

void three_yields() {
  Stepper stepper;
  const RegionId root = stepper.create_root_region();
  const Cx cx = stepper.cx(root);
  auto task = [](Cx own) -> Task<> {
    for (int i = 0; i < 3; ++i) co_await own.yield();
  };
  auto handle = stepper.scope(root).spawn(cx, task).value();
  const Outcome<> outcome = stepper.run(handle.join(cx));
  ++(outcome.is_cancelled() ? cancelled : passed);
  EXPECT_TRUE(outcome.is_ok()) << "is not asked when requests are injected";
}

TEST(SemanticsLab, ARequestIsMadeAtEachCancelPoint) {
  passed = cancelled = 0;
  const Found found = explore(three_yields, {.order = Order::fifo, .cancels = true});
  EXPECT_LAB_OK(found.report);
  EXPECT_TRUE(found.report.exhausted);
  EXPECT_GE(cancelled, 3);
  EXPECT_GE(passed, 1);
}

// ---- runs that come to no end ----

struct Never {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume() const noexcept {}
};
Task<> waits_for_nothing(Cx) { co_await Never{}; }
Task<> yields_for_ever(Cx cx) {
  for (;;) co_await cx.yield();
}

template <auto task>
void on_a_stepper() {
  Stepper stepper;
  const RegionId root = stepper.create_root_region();
  EXPECT_TRUE(stepper.scope(root).spawn(stepper.cx(root), task));
  stepper.run_until_idle();
}

template <auto task>
void on_a_runtime() {
  Runtime runtime = Runtime::builder().workers(1).build();
  std::vector<int> borrowed{1, 2, 3};
  auto body = [&borrowed](Cx cx, Scope<>& scope) -> Task<> {
    auto borrows = [&borrowed](Cx own) -> Task<> {
      (void)co_await own.sleep(1h).outcome();
      borrowed.push_back(4);
    };
    (void)scope.launch(cx, unsafe_send(borrows));
    co_await task(cx);
  };
  (void)runtime.block_on(body);
}

TEST(SemanticsLab, WhatCannotBeEndedIsAFailureAndNotTheEndOfTheProcess) {
  for (auto* run_once : {on_a_stepper<waits_for_nothing>, on_a_runtime<waits_for_nothing>}) {
    const Found found = explore(run_once, {});
    ASSERT_TRUE(found.report.failed());
    EXPECT_EQ(found.report.failure()->kind, FailureKind::deadlock) << found.report.text();
    EXPECT_NE(found.report.failure()->message.find("waits for a foreign awaitable"), std::string::npos);
    // A task may well be cancelled that the test waits for.
    EXPECT_LAB_OK(explore(run_once, {.order = Order::fifo, .cancels = true}).report);
  }
}

TEST(SemanticsLab, TheLimitOfStepsIsAFailureAlsoWithRequests) {
  for (auto* run_once : {on_a_stepper<yields_for_ever>, on_a_runtime<yields_for_ever>}) {
    for (const bool cancels : {false, true}) {
      const Found found = explore(run_once, {.order = Order::fifo, .cancels = cancels});
      ASSERT_TRUE(found.report.failed());
      EXPECT_EQ(found.report.failure()->kind, FailureKind::livelock) << found.report.text();
      EXPECT_NE(found.report.failure()->message.find("no end after 2000 steps"), std::string::npos);
    }
  }
}

void throws() { throw std::runtime_error("out of the body"); }

TEST(SemanticsLab, WhatABodyThrowsIsAFailureUnlessRequestsAreInjected) {
  const Found found = explore(throws, {});
  ASSERT_TRUE(found.report.failed());
  EXPECT_EQ(found.report.failure()->kind, FailureKind::exception);
  EXPECT_NE(found.report.failure()->message.find("out of the body"), std::string::npos);
  EXPECT_LAB_OK(explore(throws, {.order = Order::fifo, .cancels = true}).report);
}

}  // namespace
}  // namespace quiesce::semantics::in_lab
