// What a runtime reports to its metrics provider, and when.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>

#include "quiesce/metrics_memory.hpp"
#include "quiesce/quiesce.hpp"
#include "quiesce/testing/stepper.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using testing::Stepper;

struct ReportedMetrics : ::testing::Test {
  std::shared_ptr<InMemoryMetrics> metrics = std::make_shared<InMemoryMetrics>();
  Stepper stepper = Stepper(testing::StepperOptions{.metrics = metrics});
  RegionId root = stepper.create_root_region();
  Scope<> scope = stepper.scope(root);
  Cx cx = stepper.cx(root);

  template <class Body>
  Outcome<> run_region(const RegionOptions& options, Body& body) {
    return stepper.run(cx, scope.region_with(cx, options, FailFast{}, body));
  }
  RegionOptions deadline(Duration after) const {
    return RegionOptions().with_budget(Budget::infinite().with_deadline(stepper.now() + after));
  }
};

TEST_F(ReportedMetrics, a_deadline_that_is_met_is_set_and_leaves_a_rest) {
  auto body = [](Cx inner, Scope<>&) -> Task<> { co_await inner.sleep(3s); };
  EXPECT_TRUE(run_region(deadline(10s), body).is_ok());
  auto set = metrics->events(MetricKind::DeadlineSet);
  ASSERT_EQ(set.size(), 1u);
  EXPECT_EQ(set[0].deadline, Time::zero() + 10s);
  auto left = metrics->events(MetricKind::DeadlineRemaining);
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].duration, 7s);
  EXPECT_EQ(left[0].region, set[0].region);
  EXPECT_EQ(metrics->count(MetricKind::DeadlineWarning), 0u);
  EXPECT_EQ(metrics->count(MetricKind::DeadlineExceeded), 0u);
}

TEST_F(ReportedMetrics, a_deadline_warns_passes_and_is_violated) {
  auto body = [](Cx inner, Scope<>&) -> Task<> {
    MaskGuard mask = inner.mask();
    co_await inner.sleep(11s);
  };
  (void)run_region(deadline(10s).with_cleanup(CleanupBudget{1000, 1h}), body);
  auto warned = metrics->events(MetricKind::DeadlineWarning);
  ASSERT_EQ(warned.size(), 1u);
  EXPECT_EQ(warned[0].duration, 1s) << "when a tenth is left";
  EXPECT_EQ(metrics->count(MetricKind::DeadlineExceeded), 1u);
  auto violated = metrics->events(MetricKind::DeadlineViolation);
  ASSERT_EQ(violated.size(), 1u);
  EXPECT_EQ(violated[0].duration, 1s) << "over it when the region closed";
  EXPECT_EQ(metrics->count(MetricKind::DeadlineRemaining), 0u);
}

TEST_F(ReportedMetrics, an_inherited_deadline_is_its_owners_only) {
  auto inner = [](Cx, Scope<>&) -> Task<> { co_return; };
  auto outer = [&](Cx mine, Scope<>& own) -> Task<> { co_await own.region(mine, FailFast{}, inner); };
  EXPECT_TRUE(run_region(deadline(10s), outer).is_ok());
  EXPECT_EQ(metrics->count(MetricKind::DeadlineSet), 1u);
  EXPECT_EQ(metrics->count(MetricKind::DeadlineRemaining), 1u);
}

TEST_F(ReportedMetrics, a_drain_takes_from_the_request_to_closed) {
  auto body = [](Cx mine, Scope<>& own) -> Task<> {
    own.close();
    co_await mine.sleep(5s);  // closing takes its time; it is no drain
    own.cancel(CancelReason::user("now"));
    MaskGuard mask = mine.mask();
    co_await mine.sleep(2s);
  };
  (void)run_region(RegionOptions().with_cleanup(CleanupBudget{1000, 1h}), body);
  auto drained = metrics->events(MetricKind::DrainCompleted);
  ASSERT_EQ(drained.size(), 1u);
  EXPECT_EQ(drained[0].duration, 2s);
  EXPECT_EQ(metrics->cancellations(CancelKind::User), 1u);
}

TEST_F(ReportedMetrics, no_drain_without_a_request) {
  auto body = [](Cx, Scope<>&) -> Task<> { co_return; };
  EXPECT_TRUE(run_region(RegionOptions(), body).is_ok());
  EXPECT_EQ(metrics->count(MetricKind::RegionClosed), 1u);
  EXPECT_EQ(metrics->count(MetricKind::DrainCompleted), 0u);
}

TEST_F(ReportedMetrics, checkpoints_are_counted_from_one_to_the_next_without_the_waits) {
  auto task = [](Cx mine) -> Task<> {
    (void)mine.checkpoint();
    (void)mine.checkpoint();
    co_await mine.sleep(5s);  // a checkpoint; the wait itself is no interval
    (void)mine.checkpoint();
  };
  auto handle = scope.spawn(cx, task).value();
  EXPECT_TRUE(stepper.run(handle.join(cx)).is_ok());
  auto intervals = metrics->events(MetricKind::CheckpointInterval);
  std::size_t of_task = 0;
  for (const MetricEvent& event : intervals) {
    if (event.task != handle.task_id()) continue;
    ++of_task;
    EXPECT_EQ(event.duration, Duration::zero());
  }
  EXPECT_EQ(of_task, 3u);
}

TEST(ReportedMetricsOfWorkers, every_dispatch_is_ticked) {
  auto metrics = std::make_shared<InMemoryMetrics>();
  std::uint64_t dispatched = 0;
  {
    Runtime runtime = Runtime::builder().workers(2).metrics(metrics).build();
    auto body = [](Cx cx, Scope<>& scope) -> Task<> {
      auto child = [](Cx mine) -> Task<> { co_await mine.yield(); };
      for (int i = 0; i < 3000; ++i) (void)scope.launch(cx, child);
      co_return;
    };
    EXPECT_TRUE(runtime.block_on(body).is_ok());
    for (const WorkerStats& worker : runtime.stats().workers) dispatched += worker.dispatched;
  }
  EXPECT_EQ(metrics->dispatched(), dispatched);
  EXPECT_GT(metrics->count(MetricKind::SchedulerTick), 1u);
}

TEST(ReportedMetricsOfWorkers, a_step_that_comes_to_no_checkpoint_is_reported_once) {
  auto metrics = std::make_shared<InMemoryMetrics>();
  Runtime runtime = Runtime::builder().workers(2).metrics(metrics).build();
  TaskId stuck;
  auto body = [&](Cx cx, Scope<>&) -> Task<> {
    stuck = cx.task_id();
    while (metrics->count(MetricKind::TaskStuckDetected) == 0) {}
    co_return;
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
  auto events = metrics->events(MetricKind::TaskStuckDetected);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].task, stuck);
  EXPECT_GE(events[0].duration, Duration(100ms));
}

}  // namespace
}  // namespace quiesce
