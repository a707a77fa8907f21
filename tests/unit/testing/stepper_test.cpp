#include "quiesce/testing/stepper.hpp"

#include <gtest/gtest.h>

#include <coroutine>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "quiesce/metrics_memory.hpp"

namespace quiesce::testing {
namespace {

using namespace std::chrono_literals;

Task<int> add_one(Cx, int x) { co_return x + 1; }
Task<> sleep_for(Cx cx, Duration duration) { co_await cx.sleep(duration); }
Task<> never(Cx cx) {
  for (;;) co_await cx.sleep(Duration(1h));
}
Task<> yields(Cx cx, int times) {
  for (int i = 0; i < times; ++i) co_await cx.yield();
}

using Log = std::shared_ptr<std::vector<std::string>>;
Log make_log() { return std::make_shared<std::vector<std::string>>(); }

/// A stepper with one root, its scope and its driver's context.
struct StepperTest : ::testing::Test {
  Stepper s;
  RegionId root = s.create_root_region(Budget::infinite());
  Scope<> scope = s.scope(root);
  Cx cx = s.cx(root);
};

TEST_F(StepperTest, SpawnStepJoin) {
  auto h = scope.spawn(cx, add_one, 41).value();
  ASSERT_EQ(s.live_tasks(), std::vector{h.task_id()});
  EXPECT_EQ(s.task(h.task_id())->phase, TaskPhase::Created);
  EXPECT_EQ(s.step(h.task_id()), StepResult::done);
  EXPECT_EQ(s.task(h.task_id())->phase, TaskPhase::Completed);
  EXPECT_TRUE(s.live_tasks().empty());
  Outcome<int> o = s.run(h.join(cx));
  ASSERT_TRUE(o.is_ok());
  EXPECT_EQ(o.value(), 42);
  Outcome<int> again = s.run(h.join(cx));
  ASSERT_TRUE(again.is_err());
  EXPECT_EQ(again.error().code(), ErrorCode::PolledAfterCompletion);
}

TEST_F(StepperTest, ANewRootIsOpenAndEmpty) {
  RegionView view = s.region(root).value();
  EXPECT_EQ(view.id, root);
  EXPECT_EQ(view.state, RegionState::Open);
  EXPECT_FALSE(view.parent.has_value());
  EXPECT_TRUE(view.tasks.empty());
  EXPECT_TRUE(view.children.empty());
  EXPECT_EQ(view.obligations, 0u);
  EXPECT_EQ(view.finalizers, 0u);
  EXPECT_FALSE(view.cancel_reason.has_value());
  EXPECT_EQ(view.created_at, Time::zero());
  EXPECT_EQ(view.path, "0");
  EXPECT_EQ(cx.path(), "0.0");
  EXPECT_EQ(s.now(), Time::zero());
  EXPECT_TRUE(s.live_tasks().empty());
  EXPECT_TRUE(s.runnable().empty());
}

TEST_F(StepperTest, ARunsIdentityIsTheSameInEveryStepper) {
  auto h = scope.spawn(cx, never).value();
  Stepper other;
  RegionId other_root = other.create_root_region();
  Cx other_cx = other.cx(other_root);
  auto g = other.scope(other_root).spawn(other_cx, never).value();
  EXPECT_EQ(s.task(h.task_id())->path, "0.0.0");
  EXPECT_EQ(other.task(g.task_id())->path, "0.0.0");
  EXPECT_EQ(cx.random_u64(), other_cx.random_u64());
  EXPECT_FALSE(s.task(g.task_id()).has_value());
  EXPECT_FALSE(s.region(other_root).has_value());
}

TEST_F(StepperTest, TheTaskViewFollowsTheTask) {
  s.advance(5ms);
  auto h = scope.spawn(cx, sleep_for, Duration(7ms)).value();
  TaskView view = s.task(h.task_id()).value();
  EXPECT_EQ(view.owner, root);
  EXPECT_EQ(view.created_at, Time::zero() + 5ms);
  EXPECT_EQ(view.phase, TaskPhase::Created);
  EXPECT_EQ(view.steps, 0u);
  EXPECT_EQ(view.waiting_for, "");
  EXPECT_EQ(s.step(h.task_id()), StepResult::pending);
  view = s.task(h.task_id()).value();
  EXPECT_EQ(view.phase, TaskPhase::Running);
  EXPECT_EQ(view.steps, 1u);
  EXPECT_EQ(view.waiting_for, "sleep");
  s.cancel(root, CancelReason::user("stop"));
  view = s.task(h.task_id()).value();
  EXPECT_EQ(view.phase, TaskPhase::CancelRequested);
  EXPECT_TRUE(view.cancel_requested);
  ASSERT_TRUE(view.cancel_reason.has_value());
  EXPECT_EQ(view.cancel_reason->message(), "stop");
  EXPECT_EQ(view.waiting_for, "");
  EXPECT_EQ(s.step(h.task_id()), StepResult::done);
  EXPECT_EQ(s.task(h.task_id())->phase, TaskPhase::Completed);
  EXPECT_FALSE(s.region(root).has_value());
  Outcome<> o = s.run(h.join(cx));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().message(), "stop");
}

TEST_F(StepperTest, LiveTasksAreInSpawnOrderWhateverTheStepOrder) {
  std::vector<TaskHandle<>> handles;
  std::vector<TaskId> ids;
  for (int i = 0; i < 5; ++i) {
    handles.push_back(scope.spawn(cx, yields, 1).value());
    ids.push_back(handles.back().task_id());
  }
  s.step(ids[3]);
  s.step(ids[1]);
  EXPECT_EQ(s.live_tasks(), ids);
  EXPECT_EQ(s.region(root)->tasks, ids);
  EXPECT_EQ(s.step(ids[3]), StepResult::done);
  EXPECT_EQ(s.live_tasks(), (std::vector{ids[0], ids[1], ids[2], ids[4]}));
  EXPECT_EQ(s.runnable(), (std::vector{ids[0], ids[2], ids[4], ids[1]}));
  EXPECT_EQ(s.run_until_idle(), 7u);
  EXPECT_TRUE(s.live_tasks().empty());
}

TEST_F(StepperTest, SteppingWhatIsNotRunnableIsAClearError) {
  auto h = scope.spawn(cx, sleep_for, Duration(7ms)).value();
  s.step(h.task_id());
  try {
    s.step(h.task_id());
    FAIL() << "it slept";
  } catch (const std::logic_error& error) {
    EXPECT_NE(std::string(error.what()).find(to_string(h.task_id())), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("waits for sleep"), std::string::npos) << error.what();
  }
  s.advance(7ms);
  EXPECT_EQ(s.step(h.task_id()), StepResult::done);
  EXPECT_THROW(s.step(h.task_id()), std::logic_error);
  TaskId id = h.task_id();
  h = {};
  EXPECT_FALSE(s.task(id).has_value());
  EXPECT_THROW(s.step(id), std::logic_error);
  EXPECT_THROW(s.step(TaskId{}), std::logic_error);
}

TEST_F(StepperTest, AdvanceFiresTimersInOrderAndStepsNothing) {
  auto late = scope.spawn(cx, sleep_for, Duration(3ms)).value();
  auto early = scope.spawn(cx, sleep_for, Duration(1ms)).value();
  s.run_until_idle();
  EXPECT_EQ(s.now(), Time::zero());
  s.advance(500us);
  EXPECT_TRUE(s.runnable().empty());
  s.advance(5ms);
  EXPECT_EQ(s.now(), Time::zero() + 5500us);
  EXPECT_EQ(s.runnable(), (std::vector{early.task_id(), late.task_id()}));
  EXPECT_FALSE(late.is_finished());
  EXPECT_THROW(s.advance(Duration(-1)), std::logic_error);
}

TEST_F(StepperTest, RunMovesTheClockOnlyWhenNothingIsRunnable) {
  auto h = scope.spawn(cx, sleep_for, Duration(10ms)).value();
  auto other = scope.spawn(cx, yields, 3).value();
  EXPECT_TRUE(s.run(h.join(cx)).is_ok());
  EXPECT_EQ(s.now(), Time::zero() + 10ms);
  EXPECT_TRUE(other.is_finished());
}

TEST_F(StepperTest, TheDriverRunsATaskOfItsOwn) {
  auto task = [](Cx me, Scope<> where) -> Task<int> {
    auto h = co_await where.spawn(me, add_one, 1);
    co_await me.sleep(Duration(2ms));
    int two = co_await h.join(me);
    co_return two + 1;
  };
  Outcome<int> o = s.run(task(cx, scope));
  ASSERT_TRUE(o.is_ok()) << o;
  EXPECT_EQ(o.value(), 3);
  EXPECT_EQ(s.now(), Time::zero() + 2ms);
  EXPECT_TRUE(s.live_tasks().empty());
  EXPECT_TRUE(s.region(root)->tasks.empty());
}

TEST_F(StepperTest, RunShowsEachOutcomeAsItIs) {
  EXPECT_TRUE(s.run([]() -> Task<> { co_await fail(ErrorCode::User, "no"); }()).is_err());
  EXPECT_TRUE(s.run([]() -> Task<> { co_await cancelled(CancelReason::user("x")); }()).is_cancelled());
  Outcome<> panicked = s.run([]() -> Task<> {
    throw std::runtime_error("boom");
    co_return;
  }());
  ASSERT_TRUE(panicked.is_panicked());
  EXPECT_NE(panicked.panic().message().find("boom"), std::string::npos);
  EXPECT_FALSE(s.region(root)->cancel_reason.has_value()) << "a driver's failure is no policy's";
}

TEST_F(StepperTest, TheDriverIsNotReachedByARequestOfItsRoot) {
  auto task = [](Cx me, Scope<> where) -> Task<int> {
    where.cancel(CancelReason::user("stop"));
    co_await me.checkpoint();
    co_await me.sleep(Duration(1ms));
    co_return 7;
  };
  Outcome<int> o = s.run(task(cx, scope));
  ASSERT_TRUE(o.is_ok()) << o;
  EXPECT_FALSE(s.region(root).has_value());
  EXPECT_FALSE(cx.is_cancel_requested());
}

TEST_F(StepperTest, TheDriverIsInNoCountOrQuota) {
  RegionId small = s.create_root_region(Budget::infinite().with_poll_quota(2), RegionLimits{.max_tasks = 1});
  Cx there = s.cx(small);
  auto h = s.scope(small).spawn(there, yields, 1).value();
  EXPECT_TRUE(s.run(there, yields(there, 50)).is_ok());
  EXPECT_TRUE(s.run(h.join(there)).is_ok());
  EXPECT_EQ(s.region(small)->state, RegionState::Open);
  s.begin_close(small);
  EXPECT_FALSE(s.region(small).has_value());
}

TEST_F(StepperTest, OutsideAStepTheDriversContextChecksMasksAndDraws) {
  EXPECT_TRUE(cx.checkpoint().is_ok());
  EXPECT_NE(cx.random_u64(), cx.random_u64());
  {
    auto mask = cx.mask();
    EXPECT_TRUE(s.run(sleep_for(cx, Duration(1ms))).is_ok());
  }
  EXPECT_TRUE(s.run(sleep_for(cx, Duration(1ms))).is_ok());
  EXPECT_EQ(cx.now(), s.now());
  EXPECT_EQ(cx.region_id(), root);
}

TEST_F(StepperTest, ATaskMayNotActThroughTheDriversContext) {
  auto h = scope
               .spawn(
                   cx, [](Cx, Cx other) -> Task<ErrorCode> { co_return other.checkpoint().error().code(); }, cx)
               .value();
  EXPECT_EQ(s.run(h.join(cx)).value(), ErrorCode::ForeignContext);
}

TEST_F(StepperTest, OnlyOneTaskMayWaitInAJoin) {
  auto host = [](Cx me, Scope<> where) -> Task<ErrorCode> {
    auto target = co_await where.spawn(me, sleep_for, Duration(2ms));
    auto join = [&target](Cx inner) -> Task<> { co_await target.join(inner); };
    auto first = co_await where.spawn_local(me, join);
    co_await me.sleep(Duration(1ms));
    Outcome<> second = co_await target.join(me).outcome();
    first.abort();
    Outcome<> gave_up = co_await first.join(me).outcome();
    EXPECT_TRUE(gave_up.is_cancelled());
    co_await target.join(me);
    co_return second.error().code();
  };
  EXPECT_EQ(s.run(host(cx, scope)).value(), ErrorCode::AlreadyJoining);
  EXPECT_EQ(s.now(), Time::zero() + 2ms);
}

TEST_F(StepperTest, SpawnLocalNeedsAStep) {
  auto refused = scope.spawn_local(cx, add_one, 1);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind(), SpawnErrorKind::LocalSchedulerUnavailable);
  EXPECT_TRUE(s.region(root)->tasks.empty());
  auto from_inside = [](Cx me, Scope<> where) -> Task<int> {
    int here = 20;
    auto h = co_await where.spawn_local(me, [&here](Cx) -> Task<int> { co_return here + 1; });
    co_return co_await h.join(me);
  };
  EXPECT_EQ(s.run(from_inside(cx, scope)).value(), 21);
}

TEST_F(StepperTest, LanesAreCancelThenTimedByDeadlineThenReady) {
  RegionId sooner = s.create_root_region(Budget::infinite().with_deadline(Time::zero() + 1s));
  RegionId later = s.create_root_region(Budget::infinite().with_deadline(Time::zero() + 2s));
  auto slept = scope.spawn(cx, never).value();
  s.run_until_idle();
  auto ready1 = scope.spawn(cx, yields, 0).value();
  auto ready2 = scope.spawn(cx, yields, 0).value();
  auto timed2 = s.scope(later).spawn(s.cx(later), yields, 0).value();
  auto timed1 = s.scope(sooner).spawn(s.cx(sooner), yields, 0).value();
  slept.abort();
  EXPECT_EQ(s.runnable(), (std::vector{slept.task_id(), timed1.task_id(), timed2.task_id(), ready1.task_id(),
                                       ready2.task_id()}));
  s.run_until_idle();
}

TEST_F(StepperTest, BlockingJobsRunInlineInOrder) {
  auto first = scope.spawn_blocking(cx, [](Cx) { return 1; }).value();
  auto second = scope.spawn_blocking(cx, [](Cx) -> int { throw std::runtime_error("boom"); }).value();
  auto third = scope.spawn_blocking(cx, [](Cx) { return 3; }).value();
  EXPECT_EQ(s.live_tasks(), (std::vector{first.task_id(), second.task_id(), third.task_id()}));
  EXPECT_TRUE(s.run_blocking_one());
  EXPECT_TRUE(first.is_finished());
  EXPECT_FALSE(second.is_finished());
  EXPECT_EQ(s.step(third.task_id()), StepResult::done);
  EXPECT_EQ(s.run(third.join(cx)).value(), 3);
  EXPECT_TRUE(second.is_finished()) << "it was runnable beside the join";
  EXPECT_FALSE(s.run_blocking_one());
  EXPECT_EQ(s.run(first.join(cx)).value(), 1);
  EXPECT_TRUE(s.run(second.join(cx)).is_panicked());
}

TEST_F(StepperTest, ABlockingJobThatHasNotStartedIsWithdrawn) {
  auto h = scope.spawn_blocking(cx, [](Cx) { return 1; }).value();
  h.abort();
  EXPECT_TRUE(h.is_finished());
  EXPECT_FALSE(s.run_blocking_one());
  EXPECT_TRUE(s.run(h.join(cx)).is_cancelled());
}

TEST_F(StepperTest, BeginCloseEndsAnEmptyRootAndRefusesAfterwards) {
  s.begin_close(root);
  EXPECT_FALSE(s.region(root).has_value());
  auto refused = scope.spawn(cx, add_one, 1);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind(), SpawnErrorKind::RegionNotFound);
  EXPECT_THROW(s.begin_close(root), std::logic_error);
  EXPECT_THROW(s.cancel(root, CancelReason::user("x")), std::logic_error);
  EXPECT_THROW(s.set_limits(root, {}), std::logic_error);
  EXPECT_EQ(cx.region_id(), root) << "the driver's context still answers";
  EXPECT_EQ(s.cx(root), cx);
}

TEST_F(StepperTest, AClosedRootsDriverIsNotMistakenForALaterRegions) {
  auto h = scope.spawn(cx, add_one, 1).value();
  s.run_until_idle();
  s.begin_close(root);
  RegionId next = s.create_root_region();
  EXPECT_EQ(next.index, root.index) << "the record is used again, or this tests nothing";
  EXPECT_EQ(cx.region_id(), root);
  auto o = s.run(cx, region(cx, FailFast(), [](Cx, Scope<>&) -> Task<> { co_return; }));
  ASSERT_TRUE(o.is_err());
  EXPECT_EQ(o.error().code(), ErrorCode::RegionNotFound);
  EXPECT_EQ(s.run(h.join(cx)).value(), 2);
  EXPECT_EQ(s.region(next)->state, RegionState::Open);
}

TEST_F(StepperTest, ACloseWaitsForTheTasks) {
  auto h = scope.spawn(cx, sleep_for, Duration(1ms)).value();
  s.begin_close(root);
  EXPECT_EQ(s.region(root)->state, RegionState::Draining);
  auto refused = scope.spawn(cx, add_one, 1);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind(), SpawnErrorKind::RegionClosed);
  EXPECT_EQ(s.region(root)->tasks, std::vector{h.task_id()});
  EXPECT_TRUE(s.run(h.join(cx)).is_ok());
  EXPECT_FALSE(s.region(root).has_value());
}

TEST_F(StepperTest, LimitsCanBeSet) {
  s.set_limits(root, {.max_tasks = 1, .max_children = 5});
  EXPECT_EQ(s.region(root)->limits.max_children, 5u);
  auto first = scope.spawn(cx, never).value();
  auto refused = scope.spawn(cx, never);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind(), SpawnErrorKind::RegionAtCapacity);
  EXPECT_EQ(refused.error().limit(), 1u);
  EXPECT_EQ(refused.error().live(), 1u);
  EXPECT_EQ(s.live_tasks(), std::vector{first.task_id()});
  s.set_limits(root, {});
  EXPECT_TRUE(scope.spawn(cx, never).has_value());
}

TEST_F(StepperTest, ARegionOfTheDriverIsAChildOfTheRoot) {
  auto seen = std::make_shared<std::vector<RegionView>>();
  Outcome<int> o = s.run(scope.region(cx, FailFast(), [&](Cx me, Scope<>& inner) -> Task<int> {
    seen->push_back(s.region(inner.region_id()).value());
    auto h = co_await inner.spawn(me, add_one, 4);
    co_return co_await h.join(me);
  }));
  ASSERT_TRUE(o.is_ok()) << o;
  EXPECT_EQ(o.value(), 5);
  ASSERT_EQ(seen->size(), 1u);
  EXPECT_EQ(seen->front().parent, root);
  EXPECT_EQ(seen->front().state, RegionState::Open);
  EXPECT_EQ(seen->front().tasks.size(), 1u) << "the body";
  EXPECT_FALSE(s.region(seen->front().id).has_value());
  EXPECT_TRUE(s.region(root)->children.empty());
}

TEST_F(StepperTest, ACancelOfTheRootReachesTheDriversRegions) {
  s.run_until_idle();
  auto body = [](Cx me, Scope<>& inner) -> Task<int> {
    auto h = co_await inner.spawn(me, never);
    co_await h.join(me);
    co_return 1;
  };
  auto stop = [](Cx me, Scope<> where) -> Task<> {
    co_await me.sleep(Duration(1ms));
    where.cancel(CancelReason::user("stop"));
  };
  auto stopper = scope.spawn(cx, stop, scope).value();
  Outcome<int> o = s.run(scope.region(cx, FailFast(), body));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().root_cause().message(), "stop");
}

TEST_F(StepperTest, FinalizersRunLastFirst) {
  auto log = make_log();
  auto first = [log] { log->push_back("first"); };
  ASSERT_TRUE(scope.defer_sync(first).has_value());
  auto second = [log](Cx me) -> Task<> {
    co_await me.sleep(Duration(1ms));
    log->push_back("second");
  };
  ASSERT_TRUE(scope.defer_async(second).has_value());
  EXPECT_EQ(s.region(root)->finalizers, 2u);
  s.begin_close(root);
  EXPECT_EQ(s.region(root)->state, RegionState::Finalizing);
  EXPECT_TRUE(log->empty()) << "never on the thread that dropped the last count";
  s.run_until_idle();
  EXPECT_TRUE(log->empty());
  EXPECT_EQ(s.live_tasks().size(), 1u) << "the async finalizer";
  s.advance(1ms);
  s.run_until_idle();
  EXPECT_EQ(*log, (std::vector<std::string>{"second", "first"}));
  EXPECT_FALSE(s.region(root).has_value());
}

TEST_F(StepperTest, ADeadlineCancelsTheRegionWhenTheClockPassesIt) {
  RegionId timed = s.create_root_region(Budget::infinite().with_deadline(Time::zero() + 3ms));
  auto h = s.scope(timed).spawn(s.cx(timed), never).value();
  s.run_until_idle();
  s.advance(3ms);
  EXPECT_EQ(s.region(timed)->cancel_reason->kind(), CancelKind::Deadline);
  EXPECT_TRUE(s.run(h.join(s.cx(timed))).is_cancelled());
  RegionId late = s.create_root_region(Budget::infinite().with_deadline(Time::zero() + 3ms));
  EXPECT_FALSE(s.region(late).has_value()) << "its deadline had passed when it was made";
}

TEST_F(StepperTest, PollsAreCountedStepByStep) {
  RegionId counted = s.create_root_region(Budget::infinite().with_poll_quota(3));
  auto h = s.scope(counted).spawn(s.cx(counted), yields, 100).value();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(s.step(h.task_id()), StepResult::pending);
    EXPECT_FALSE(s.region(counted)->cancel_reason.has_value()) << "after " << i + 1 << " steps";
  }
  EXPECT_EQ(s.step(h.task_id()), StepResult::done);
  Outcome<> o = s.run(h.join(s.cx(counted)));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().kind(), CancelKind::PollQuota);
}

TEST_F(StepperTest, ADeadlockIsReportedAndTheDriverCanGoOn) {
  auto first = scope.spawn(cx, [](Cx me) -> Task<> { co_await me.sleep(Duration(0)); }).value();
  Outcome<> fine = s.run(first.join(cx));
  EXPECT_TRUE(fine.is_ok());
  auto forever = [](Cx me) -> Task<> {
    co_await quiesce::region(me, FailFast(), [](Cx inner, Scope<>& in) -> Task<> {
      co_await in.race_all(inner, std::vector<TaskHandle<>>());
    });
  };
  try {
    (void)s.run(forever(cx));
    FAIL() << "nothing could ever end it";
  } catch (const std::runtime_error& error) {
    std::string text = error.what();
    EXPECT_NE(text.find("deadlock"), std::string::npos) << text;
    EXPECT_NE(text.find("waits for other tasks"), std::string::npos) << text;
    EXPECT_NE(text.find("driver 0.0 waits for a region to close"), std::string::npos) << text;
  }
  EXPECT_TRUE(s.live_tasks().empty()) << "the run was ended";
  EXPECT_FALSE(cx.is_cancel_requested());
  EXPECT_TRUE(s.run(sleep_for(cx, Duration(1ms))).is_ok());
}

/// A foreign awaitable that is resumed by hand.
struct ByHand {
  std::coroutine_handle<>* place;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const noexcept { *place = handle; }
  void await_resume() const noexcept {}
};

TEST_F(StepperTest, ARunThatCannotBeEndedKeepsItsDriverBusyUntilItEnds) {
  std::coroutine_handle<> handle;
  auto task = [](std::coroutine_handle<>* place) -> Task<> { co_await ByHand{place}; };
  EXPECT_THROW((void)s.run(task(&handle)), std::runtime_error);
  EXPECT_THROW((void)s.run(yields(cx, 1)), std::logic_error);
  handle.resume();
  s.run_until_idle();
  EXPECT_TRUE(s.run(yields(cx, 1)).is_ok());
  EXPECT_FALSE(cx.is_cancel_requested());
}

TEST(StepperLimits, EndlessStepsAreReported) {
  Stepper s(StepperOptions{.step_limit = 100});
  RegionId root = s.create_root_region();
  Cx cx = s.cx(root);
  auto h = s.scope(root).spawn(cx, yields, 1'000'000).value();
  EXPECT_THROW(s.run_until_idle(), std::runtime_error);
  EXPECT_THROW((void)s.run(h.join(cx)), std::runtime_error);
  EXPECT_FALSE(h.is_finished());
  h.abort();
  EXPECT_TRUE(s.run(h.join(cx)).is_cancelled());
}

TEST_F(StepperTest, NothingIsDrivenFromInsideAStep) {
  auto inside = [&]() -> Task<std::string> {
    try {
      s.run_until_idle();
    } catch (const std::logic_error& error) { co_return error.what(); }
    co_return "";
  };
  EXPECT_NE(s.run(inside()).value().find("inside a step"), std::string::npos);
}

TEST_F(StepperTest, RunKnowsWhoseContextItDrives) {
  RegionId other = s.create_root_region();
  Cx there = s.cx(other);
  EXPECT_TRUE(s.run(sleep_for(there, Duration(1ms))).is_ok()) << "the context made last";
  Outcome<> foreign = s.run(sleep_for(cx, Duration(1ms)));
  ASSERT_TRUE(foreign.is_err());
  EXPECT_EQ(foreign.error().code(), ErrorCode::ForeignContext);
  EXPECT_TRUE(s.run(cx, sleep_for(cx, Duration(1ms))).is_ok());
  Stepper stranger;
  RegionId elsewhere = stranger.create_root_region();
  EXPECT_THROW((void)s.run(stranger.cx(elsewhere), sleep_for(cx, Duration(1ms))), std::logic_error);
  EXPECT_THROW((void)stranger.run(cx, sleep_for(cx, Duration(1ms))), std::logic_error);
}

TEST_F(StepperTest, CapabilitiesOfADriverAreItsOwn) {
  Capabilities with;
  with.registry = std::make_shared<InMemoryRegistry>();
  Cx rich = s.cx(root, with);
  EXPECT_EQ(rich.registry(), with.registry);
  EXPECT_EQ(cx.registry(), nullptr);
  EXPECT_NE(rich, cx);
  EXPECT_NE(rich.path(), cx.path());
  ASSERT_TRUE(rich.registry()->register_name("test", rich.task_id()).has_value());
  EXPECT_TRUE(s.run(rich, sleep_for(rich, Duration(1ms))).is_ok());
  EXPECT_EQ(rich.registry()->lookup("test"), rich.task_id()) << "a driver does not end with a run";
  auto h = scope.spawn(rich, [](Cx me) -> Task<bool> { co_return me.registry() != nullptr; }).value();
  EXPECT_TRUE(s.run(h.join(rich)).value());
}

TEST(StepperPanics, WithoutIsolationTheStepRethrows) {
  Stepper s(StepperOptions{.panics = PanicIsolationConfig{.isolate_task_panics = false}});
  RegionId root = s.create_root_region();
  Cx cx = s.cx(root);
  auto throws = [](Cx) -> Task<> {
    throw std::runtime_error("boom");
    co_return;
  };
  auto h = s.scope<CollectAll>(root).spawn(cx, throws).value();
  EXPECT_THROW(s.step(h.task_id()), std::runtime_error);
  EXPECT_TRUE(h.is_finished());
  EXPECT_THROW((void)s.run(throws(cx)), std::runtime_error);
}

TEST(StepperEnd, WhatIsLeftIsCancelledAndCleanedUp) {
  auto log = make_log();
  auto work = [](Cx me, Log out) -> Task<> {
    auto ended = co_await me.sleep(Duration(1h)).outcome();
    out->push_back(ended.is_cancelled() ? std::string(to_string(ended.cancel_reason().kind())) : "slept");
    auto mask = me.mask();
    co_await me.sleep(Duration(5ms));
    out->push_back("cleaned up");
  };
  {
    Stepper s;
    RegionId root = s.create_root_region();
    Cx cx = s.cx(root);
    auto with_log = [](Cx me, Scope<> where, Log out, auto body) -> Task<> {
      auto kept = [out, body](Cx inner) { return body(inner, out); };
      (void)co_await where.spawn_local(me, kept);
    };
    ASSERT_TRUE(s.run(with_log(cx, s.scope(root), log, work)).is_ok());
    s.run_until_idle();
    auto finalizer = [log] { log->push_back("finalizer"); };
    ASSERT_TRUE(s.scope(root).defer_sync(finalizer).has_value());
  }
  EXPECT_EQ(*log, (std::vector<std::string>{"Shutdown", "cleaned up", "finalizer"}));
}

TEST(StepperEnd, HandlesAndContextsMayOutliveIt) {
  TaskHandle<int> ended, left;
  Cx cx;
  RegionId root;
  {
    Stepper s;
    root = s.create_root_region();
    cx = s.cx(root);
    ended = s.scope(root).spawn(cx, add_one, 1).value();
    s.run_until_idle();
    left = s.scope(root)
               .spawn(cx,
                      [](Cx me) -> Task<int> {
                        co_await me.sleep(Duration(1h));
                        co_return 1;
                      })
               .value();
  }
  EXPECT_TRUE(ended.is_finished());
  EXPECT_TRUE(left.is_finished());
  left.abort();
  EXPECT_FALSE(cx.is_valid());
  EXPECT_EQ(cx.checkpoint().error().code(), ErrorCode::StaleContext);
  EXPECT_THROW((void)cx.region_id(), UsageError);
  Stepper other;
  Cx other_cx = other.cx(other.create_root_region());
  EXPECT_EQ(other.run(ended.join(other_cx)).value(), 2) << "joining across runtimes is allowed";
  EXPECT_TRUE(other.run(left.join(other_cx)).is_cancelled());
}

TEST(StepperEnd, AScopeOfAnotherStepperIsRefused) {
  Stepper one, two;
  RegionId first = one.create_root_region(), second = two.create_root_region();
  auto refused = one.scope(first).spawn(two.cx(second), add_one, 1);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind(), SpawnErrorKind::WrongRuntime);
}

TEST(StepperEndDeathTest, WhatCannotEndAborts) {
  EXPECT_DEATH(
      {
        Stepper s;
        RegionId root = s.create_root_region();
        Cx cx = s.cx(root);
        static std::coroutine_handle<> handle;
        auto stuck = [](Cx) -> Task<> { co_await ByHand{&handle}; };
        auto h = s.scope(root).spawn(cx, stuck).value();
        s.run_until_idle();
      },
      "nothing is runnable.*a foreign awaitable");
}

}  // namespace
}  // namespace quiesce::testing
