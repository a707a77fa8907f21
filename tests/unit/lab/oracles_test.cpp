// Each oracle fires on a kernel with the defect that it is there for, and on none without.
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "lab/planted.hpp"
#include "leaks.hpp"
#include "quiesce/lab.hpp"
#include "quiesce/lab/gtest.hpp"
#include "quiesce/obligation.hpp"
#include "quiesce/quiesce.hpp"

namespace q = quiesce;
namespace lab = quiesce::lab;
using lab::FailureKind;
using q::detail::Defect;
using namespace std::chrono_literals;

namespace {

using Body = std::function<q::Task<>(q::Cx, q::Scope<>&)>;

// A run that an oracle ends leaves behind whatever was on its stacks.
lab::Report explore_with(Defect defect, const Body& body, lab::Options options = {.max_runs = 200}) {
  const q::tests::LeaksAllowed of_the_run_that_ends_there;
  const lab::detail::Planted planted(defect);
  return lab::explore(options, body);
}

void expect_fires(Defect defect, const Body& body, const std::string& sentence,
                  lab::Options options = {.max_runs = 200}) {
  EXPECT_LAB_OK(lab::explore(options, body)) << "without the defect";
  const lab::Report report = explore_with(defect, body, options);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, FailureKind::oracle) << report.text();
  EXPECT_NE(report.failure()->message.find(sentence), std::string::npos) << report.failure()->message;
}

q::Task<> yields(q::Cx cx, int times) {
  for (int i = 0; i < times; ++i) co_await cx.yield();
}
q::Task<> sleeps(q::Cx cx) { co_await cx.sleep(1h); }

q::Task<> launches_and_ends(q::Cx cx, q::Scope<>& scope) {
  (void)scope.launch(cx, yields, 3);
  co_return;
}

TEST(LabOracles, ATaskThatOutlivesItsRegion) {
  expect_fires(Defect::TaskNotCounted, launches_and_ends, "while 1 of its tasks had not ended (R4)");
}

TEST(LabOracles, ARegionThatClosesBeforeItsChildren) {
  Body body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto inner = [](q::Cx own, q::Scope<>&) -> q::Task<> { co_await own.yield(); };
    auto opens = [](q::Cx own, decltype(inner)* region_body) -> q::Task<> {
      co_await q::region(own, q::FailFast{}, *region_body);
    };
    auto h = scope.spawn(cx, opens, q::unsafe_send(&inner)).value();
    co_await h.join(cx);
  };
  expect_fires(Defect::ChildRegionNotCounted, body, "began to finalise while");
}

// A task of the root reserves in a child region, whose own tasks end first: that region owes until the task has settled it.
TEST(LabOracles, AnObligationThatIsLeft) {
  Body body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    q::Scope<>* below = nullptr;
    bool reserved = false;
    auto holds = [&](q::Cx own) -> q::Task<> {
      while (below == nullptr) co_await own.yield();
      auto lease = q::Obligation::reserve(own, *below, q::ObligationKind::Lease).value();
      reserved = true;
      co_await own.sleep(1s);
      lease.commit();
    };
    auto inner = [&](q::Cx own, q::Scope<>& mine) -> q::Task<> {
      below = &mine;
      while (!reserved) co_await own.yield();
    };
    auto holder = scope.spawn(cx, q::unsafe_send(holds)).value();
    co_await scope.region(cx, q::FailFast{}, inner);
    co_await holder.join(cx);
  };
  expect_fires(Defect::ObligationNotOwed, body, "1 of its obligations were still reserved (L3)");
}

// Without a defect of the kernel's: the program's own leak.
TEST(LabOracles, AnObligationThatTheProgramLeaks) {
  static std::optional<q::Obligation> outlives;
  Body body = [](q::Cx cx, q::Scope<>&) -> q::Task<> {
    outlives.reset();
    outlives = q::Obligation::reserve(cx, q::ObligationKind::Lease).value();
    co_return;
  };
  const lab::Report report = lab::explore({.max_runs = 5}, body);
  outlives.reset();
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, FailureKind::oracle);
  EXPECT_NE(report.failure()->message.find("in region 0, an obligation of kind Lease that "), std::string::npos)
      << report.failure()->message;
  EXPECT_NE(report.failure()->message.find("oracles_test.cpp"), std::string::npos) << report.failure()->message;
}

struct FinalizerCase {
  Defect defect;
  const char* sentence;
};
struct LabOracleFinalizers : testing::TestWithParam<FinalizerCase> {};

TEST_P(LabOracleFinalizers, OnceEachNewestFirst) {
  Body body = [](q::Cx, q::Scope<>& scope) -> q::Task<> {
    EXPECT_TRUE(scope.defer_sync([] {}));
    EXPECT_TRUE(scope.defer_sync([] {}));
    co_return;
  };
  expect_fires(GetParam().defect, body, GetParam().sentence);
}

INSTANTIATE_TEST_SUITE_P(
    Broken, LabOracleFinalizers,
    testing::Values(FinalizerCase{Defect::FinalizerTwice, "began twice (F1)"},
                    FinalizerCase{Defect::FinalizerOldestFirst, "do not run newest first, each once (F1)"},
                    FinalizerCase{Defect::FinalizerSkipped, "do not run newest first, each once (F1)"}));

TEST(LabOracles, AFinalizerThatIsSkipped) {
  Body body = [](q::Cx, q::Scope<>& scope) -> q::Task<> {
    EXPECT_TRUE(scope.defer_sync([] {}));
    co_return;
  };
  expect_fires(Defect::FinalizerSkipped, body, "closed and 1 of its finalizers had not run (F1)");
}

TEST(LabOracles, ARaceThatReturnsBeforeItsLoserHasDrained) {
  Body body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto quick = scope.spawn(cx, yields, 1).value();
    auto slow = scope.spawn(cx, sleeps).value();
    co_await scope.race(cx, std::move(quick), std::move(slow));
  };
  expect_fires(Defect::LoserAbandoned, body, "a combinator returned before its branch");
}

TEST(LabOracles, APhaseThatIsSkipped) {
  expect_fires(Defect::PhaseSkipped, launches_and_ends, "without having been Finalizing (C3)");
}

TEST(LabOracles, AReasonThatGetsWeaker) {
  Body body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    scope.cancel(q::CancelReason::shutdown("first"));
    scope.cancel(q::CancelReason::user("second"));
    co_await cx.yield();
  };
  expect_fires(Defect::ReasonWeakened, body, "it is User now (C2)");
}

/// A region in a region in the root, each with tasks that sleep.
q::Task<> nested(q::Cx cx, q::Scope<>& scope) {
  auto innermost = [](q::Cx own, q::Scope<>& below) -> q::Task<> {
    (void)below.launch(own, sleeps);
    co_await own.sleep(1h);
  };
  auto inner = [&](q::Cx own, q::Scope<>&) -> q::Task<> { co_await q::region(own, q::FailFast{}, innermost); };
  (void)scope.launch(cx, sleeps);
  auto canceller = [](q::Cx own, q::Scope<>* root) -> q::Task<> {
    co_await own.sleep(1s);
    root->cancel(q::CancelReason::user("enough"));
  };
  (void)scope.launch(cx, canceller, q::unsafe_send(&scope));
  co_await q::region(cx, q::FailFast{}, inner);
}

TEST(LabOracles, ADescendantThatIsNotReached) {
  expect_fires(Defect::GrandchildForgotten, nested, "the request did not reach region");
}

TEST(LabOracles, ATaskThatIsNotReached) {
  expect_fires(Defect::TaskForgotten, nested, "the request did not reach 1 of the");
}

// A finalizer is no task of its region's: that a request comes to it must not put the region's count wrong.
TEST(LabOracles, ARequestWhileAFinalizerRunsIsNone) {
  const Body body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    std::optional<q::Scope<>> finalizing;
    auto inner = [&](q::Cx, q::Scope<>& mine) -> q::Task<> {
      auto finalizer = [&finalizing, mine](q::Cx own) -> q::Task<> {
        finalizing = mine;
        for (int i = 0; i < 3; ++i) co_await own.yield();
      };
      EXPECT_TRUE(mine.defer_async(q::unsafe_send(finalizer)));
      co_return;
    };
    auto canceller = [&](q::Cx own) -> q::Task<> {
      while (!finalizing) co_await own.yield();
      finalizing->cancel(q::CancelReason::user("too late"));
    };
    auto cancels = scope.spawn(cx, q::unsafe_send(canceller)).value();
    auto opened = scope.region(cx, q::FailFast{}, inner);
    (void)co_await std::move(opened).outcome();
    co_await cancels.join(cx);
  };
  EXPECT_LAB_OK(lab::explore({.max_runs = 100}, body));
}

TEST(LabOracles, ADeadlineThatIsIgnored) {
  Body body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto inner = [](q::Cx own, q::Scope<>&) -> q::Task<> { co_await own.sleep(1h); };
    auto ticks = [](q::Cx own) -> q::Task<> { co_await own.sleep(2s); };
    (void)scope.launch(cx, ticks);
    const auto budget = q::Budget::infinite().with_deadline(cx.now() + 1s);
    auto opened = scope.region_with_budget(cx, budget, q::FailFast{}, inner);
    (void)co_await std::move(opened).outcome();
  };
  expect_fires(Defect::DeadlineNotArmed, body, "is past its deadline of 1000000000 ns");
}

TEST(LabOracles, AWakeUpThatIsLost) {
  Body body = [](q::Cx cx, q::Scope<>&) -> q::Task<> { co_await cx.sleep(1s); };
  expect_fires(Defect::WakeLost, body, "a wake-up was lost: the wait of task");
}

TEST(LabOracles, AJoinerThatIsForgotten) {
  Body body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto h = scope.spawn(cx, yields, 2).value();
    co_await h.join(cx);
  };
  expect_fires(Defect::JoinerForgotten, body, "waits for the end of a task that has ended (C5)");
}

TEST(LabOracles, ATaskThatHoldsAnObligationAndIsNotStepped) {
  auto body = [](std::uint64_t patience) {
    return Body([patience](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
      auto holds = [](q::Cx own) -> q::Task<> {
        auto lease = q::Obligation::reserve(own, q::ObligationKind::Lease).value();
        co_await own.sleep(1h);
        lease.commit();
      };
      auto h = scope.spawn(cx, holds).value();
      for (std::uint64_t i = 0; i < patience; ++i) co_await cx.yield();
      co_await h.join(cx);
    });
  };
  EXPECT_LAB_OK(lab::explore({.max_runs = 20, .futurelock_steps = 1'000}, body(900)));
  const lab::Report report = lab::explore({.max_runs = 20, .futurelock_steps = 1'000}, body(2'000));
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, FailureKind::oracle);
  EXPECT_NE(report.failure()->message.find("futurelock: task"), std::string::npos) << report.failure()->message;
  EXPECT_NE(report.failure()->message.find("it waits for sleep"), std::string::npos)
      << report.failure()->message;
  const lab::Report again = lab::replay(report.failure()->token, body(2'000));
  EXPECT_TRUE(again.failed());
}

}  // namespace
