// Rules R1 to R11: regions.
#include <algorithm>
#include <atomic>
#include <latch>
#include <mutex>
#include <thread>

#include "quiesce/metrics_memory.hpp"
#include "support.hpp"

namespace quiesce::semantics {
namespace {

// ---- R1: a tree; every live task in exactly one region ----

TEST(Regions, R1_every_live_task_is_in_exactly_one_region) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<> {
    (void)scope.spawn(cx, sleeper).value();
    auto inner = [](Cx inner_cx, Scope<>& inner_scope) -> Task<> {
      (void)inner_scope.spawn(inner_cx, sleeper).value();
      co_await inner_cx.sleep(1h);
    };
    co_await scope.region(cx, FailFast{}, inner);
  };
  auto opener = [](Cx cx, decltype(body)* outer) -> Task<> { co_await region(cx, FailFast{}, *outer); };
  auto handle = bench.scope.spawn(bench.cx, opener, unsafe_send(&body)).value();
  bench.stepper.run_until_idle();

  std::vector<RegionId> regions{bench.root};
  std::vector<TaskId> seen;
  for (std::size_t i = 0; i < regions.size(); ++i) {
    auto view = bench.stepper.region(regions[i]).value();
    for (RegionId child : view.children) {
      EXPECT_EQ(bench.stepper.region(child)->parent, regions[i]);
      regions.push_back(child);
    }
    for (TaskId task : view.tasks) {
      EXPECT_EQ(bench.stepper.task(task)->owner, regions[i]);
      seen.push_back(task);
    }
  }
  EXPECT_EQ(regions.size(), 3u);
  EXPECT_EQ(seen.size(), 5u);  // the opener, two bodies, two sleepers
  std::vector<TaskId> live = bench.stepper.live_tasks();
  std::sort(seen.begin(), seen.end());
  std::sort(live.begin(), live.end());
  EXPECT_EQ(seen, live);
}

TEST(Regions, R1_a_task_without_a_handle_is_not_detached) {
  Bench bench;
  Door door;
  { auto dropped = bench.scope.spawn(bench.cx, at_door, unsafe_send(&door)).value(); }
  ASSERT_TRUE(bench.scope.launch(bench.cx, at_door, unsafe_send(&door)));
  bench.stepper.run_until_idle();
  EXPECT_EQ(bench.stepper.region(bench.root)->tasks.size(), 2u);
  bench.stepper.begin_close(bench.root);
  EXPECT_TRUE(bench.stepper.region(bench.root)) << "a region closed before its tasks had ended";
  door.open();
  bench.stepper.run_until_idle();
  EXPECT_FALSE(bench.stepper.region(bench.root));
}

// ---- R2: states ----

TEST(Regions, R2_states_come_in_order) {
  Bench bench;
  Door body_door, child_door, finalizer_door;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    (void)scope.spawn(cx, at_door, unsafe_send(&child_door)).value();
    auto finalizer = [door = &finalizer_door](Cx) -> Task<> { co_await *door; };
    EXPECT_TRUE(scope.defer_async(finalizer));
    co_await body_door;
  };
  RegionId id;
  auto opener = [](Cx cx, decltype(body)* inner, RegionId*) -> Task<> {
    co_await region(cx, FailFast{}, *inner);
  };
  auto handle = bench.scope.spawn(bench.cx, opener, unsafe_send(&body), unsafe_send(&id)).value();
  bench.stepper.run_until_idle();
  id = bench.stepper.region(bench.root)->children.at(0);
  auto state = [&] { return bench.stepper.region(id)->state; };
  Scope<> scope = bench.stepper.scope(id);
  EXPECT_EQ(state(), RegionState::Open);
  scope.close();
  EXPECT_EQ(state(), RegionState::Closing);
  scope.close();
  EXPECT_EQ(state(), RegionState::Closing) << "closing again changes nothing";
  body_door.open();
  bench.stepper.run_until_idle();
  EXPECT_EQ(state(), RegionState::Draining);
  child_door.open();
  bench.stepper.run_until_idle();
  EXPECT_EQ(state(), RegionState::Finalizing);
  scope.close();
  scope.cancel(CancelReason::user("too late to go back"));
  EXPECT_EQ(state(), RegionState::Finalizing) << "no state is entered again";
  finalizer_door.open();
  bench.stepper.run_until_idle();
  EXPECT_FALSE(bench.stepper.region(id));
}

TEST(Regions, R2_states_may_be_skipped) {
  Bench bench;
  RegionId id;
  auto body = [&](Cx cx, Scope<>&) -> Task<> {
    id = cx.region_id();
    EXPECT_EQ(bench.stepper.region(id)->state, RegionState::Open);
    co_return;
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).is_ok());
  EXPECT_FALSE(bench.stepper.region(id));  // Open -> Closed in one step of its body
}

// ---- R3: refusals from Closing on ----

struct R3 : ::testing::Test {
  std::shared_ptr<InMemoryMetrics> metrics = std::make_shared<InMemoryMetrics>();
  Bench<> bench{StepperOptions{.metrics = metrics}};
  Door door;
  TaskHandle<> held = bench.scope.spawn(bench.cx, at_door, unsafe_send(&door)).value();
  ~R3() override {
    door.open();
    bench.stepper.run_until_idle();
  }
};

TEST_F(R3, R3_spawn_into_a_closing_region_is_refused_and_leaves_no_trace) {
  bench.stepper.run_until_idle();
  bench.stepper.begin_close(bench.root);
  auto before = bench.stepper.snapshot().regions.at(0);
  auto spawned = metrics->count(MetricKind::TaskSpawned);
  auto refused = bench.scope.spawn(bench.cx, answer, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), SpawnErrorKind::RegionClosed);
  EXPECT_FALSE(refused.error().cancel_reason());
  EXPECT_NE(refused.error().message().find("is closing"), std::string::npos);
  EXPECT_NE(refused.error().message().find(before.path), std::string::npos)
      << "it names the region by its path";
  EXPECT_FALSE(bench.scope.launch(bench.cx, answer, 1));
  EXPECT_FALSE(bench.scope.spawn_blocking(bench.cx, [](Cx) { return 1; }));
  auto after = bench.stepper.snapshot().regions.at(0);
  EXPECT_EQ(after.live, before.live);
  EXPECT_EQ(after.owed, before.owed);
  EXPECT_EQ(after.tasks.size(), before.tasks.size());
  EXPECT_EQ(metrics->count(MetricKind::TaskSpawned), spawned);
}

TEST_F(R3, R3_a_finalizer_is_refused_and_leaves_no_trace) {
  bench.stepper.begin_close(bench.root);
  Lines lines;
  auto refused = bench.scope.defer_sync([&] { lines.push_back("ran"); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::RegionClosed);
  auto task = [](Cx) -> Task<> { co_return; };
  EXPECT_FALSE(bench.scope.defer_async(task));
  EXPECT_EQ(bench.stepper.region(bench.root)->finalizers, 0u);
  door.open();
  bench.stepper.run_until_idle();
  EXPECT_TRUE(lines.empty());
}

TEST_F(R3, R3_a_heap_value_is_refused_and_destroyed_at_once) {
  bench.stepper.begin_close(bench.root);
  Lines lines;
  auto refused = bench.scope.heap_alloc<Farewell>(&lines, "gone");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::RegionClosed);
  EXPECT_EQ(lines, Lines{"gone"});
}

TEST(Regions, R3_a_running_task_of_a_closing_region_may_open_child_regions) {
  Bench bench;
  auto task = [](Cx cx, Scope<> own) -> Task<int> {
    own.close();
    EXPECT_FALSE(own.spawn(cx, answer, 1));
    auto body = [](Cx inner_cx, Scope<>& inner) -> Task<int> {
      auto handle = co_await inner.spawn(inner_cx, answer, 41);
      co_return 1 + co_await handle.join(inner_cx);
    };
    co_return co_await own.region(cx, FailFast{}, body);
  };
  auto handle = bench.scope.spawn(bench.cx, task, bench.scope).value();
  EXPECT_EQ(bench.stepper.run(handle.join(bench.cx)).value(), 42);
}

TEST(Regions, R3_an_async_finalizer_may_open_child_regions) {
  Bench bench;
  int seen = 0;
  auto finalizer = [&](Cx cx) -> Task<> {
    auto body = [](Cx inner_cx, Scope<>& inner) -> Task<int> {
      auto handle = co_await inner.spawn(inner_cx, answer, 41);
      co_return 1 + co_await handle.join(inner_cx);
    };
    EXPECT_EQ(bench.stepper.region(cx.region_id())->state, RegionState::Finalizing);
    seen = co_await region(cx, FailFast{}, body);
  };
  ASSERT_TRUE(bench.scope.defer_async(finalizer));
  bench.stepper.begin_close(bench.root);
  bench.stepper.run_until_idle();
  EXPECT_EQ(seen, 42);
  EXPECT_FALSE(bench.stepper.region(bench.root));
}

TEST(Regions, R3_a_region_opened_by_a_requested_task_is_born_with_the_request) {
  Bench bench;
  Lines lines;
  auto task = [](Cx cx, Lines* out) -> Task<> {
    auto slept = co_await cx.sleep(1h).outcome();
    EXPECT_TRUE(slept.is_cancelled());
    auto body = [out](Cx inner, Scope<>& scope) -> Task<> {
      EXPECT_TRUE(inner.is_cancel_requested());
      CancelReason reason = inner.cancel_reason().value();
      out->push_back(std::string(to_string(reason.kind())) + " by " +
                     std::string(to_string(reason.root_cause().kind())));
      EXPECT_EQ(scope.spawn(inner, sleeper).error().kind(), SpawnErrorKind::RegionClosed);
      out->push_back(inner.checkpoint().is_cancelled() ? "refused" : "passed");
      co_await inner.sleep(1h);
      out->push_back("never");
    };
    auto opened = co_await region(cx, FailFast{}, body).outcome();
    EXPECT_TRUE(opened.is_cancelled());
  };
  auto handle = bench.scope.spawn(bench.cx, task, unsafe_send(&lines)).value();
  bench.stepper.run_until_idle();
  handle.abort();
  bench.stepper.run_until_idle();
  EXPECT_EQ(lines, (Lines{"ParentCancelled by User", "refused"}));
  EXPECT_EQ(bench.stepper.now(), Time::zero());
}

TEST(Regions, R3_a_refusal_by_cancellation_carries_the_reason) {
  Bench bench;
  auto task = [](Cx cx, Scope<> scope) -> Task<int> {
    (void)co_await cx.sleep(1h).outcome();
    auto refused = scope.spawn(cx, answer, 1);
    EXPECT_EQ(refused.error().kind(), SpawnErrorKind::RegionClosed);
    EXPECT_EQ(refused.error().cancel_reason()->message(), "enough");
    EXPECT_EQ(Error(refused.error()).code(), ErrorCode::RegionClosed);
    EXPECT_NE(refused.error().message().find("has been cancelled"), std::string::npos);
    co_return 7;
  };
  auto handle = bench.scope.spawn(bench.cx, task, bench.scope).value();
  bench.stepper.run_until_idle();
  bench.stepper.cancel(bench.root, CancelReason::user("enough"));
  EXPECT_EQ(bench.stepper.run(handle.join(bench.cx)).value(), 7) << "looking at a refusal ends nobody";
}

TEST(Regions, R3_co_await_of_such_a_refusal_ends_a_reached_task_cancelled) {
  Bench bench;
  auto task = [](Cx cx, Scope<> scope) -> Task<int> {
    (void)co_await cx.sleep(1h).outcome();
    auto handle = co_await scope.spawn(cx, answer, 1);
    co_return 7;
  };
  auto handle = bench.scope.spawn(bench.cx, task, bench.scope).value();
  bench.stepper.run_until_idle();
  bench.stepper.cancel(bench.root, CancelReason::user("enough"));
  auto observe = [](Cx cx, TaskHandle<int> joined) -> Task<Outcome<int>> {
    co_return co_await joined.join(cx).outcome();
  };
  Outcome<int> outcome = bench.run(observe(bench.cx, std::move(handle))).value();
  ASSERT_TRUE(outcome.is_cancelled());
  EXPECT_EQ(outcome.cancel_reason().message(), "enough");
  EXPECT_EQ(outcome.cancel_reason().kind(), CancelKind::User);
}

TEST(Regions, R3_co_await_of_such_a_refusal_by_a_stranger_is_an_error) {
  Bench bench;
  RegionId other_root = bench.stepper.create_root_region();
  Scope<> other = bench.stepper.scope(other_root);
  Door door;
  auto held = other.spawn(bench.cx, at_door, unsafe_send(&door)).value();
  bench.stepper.cancel(other_root, CancelReason::user("enough"));
  auto task = [](Cx cx, Scope<> foreign) -> Task<int> {
    auto handle = co_await foreign.spawn(cx, answer, 1);
    co_return 7;
  };
  auto handle = bench.scope.spawn(bench.cx, task, other).value();
  Outcome<int> outcome = bench.stepper.run(handle.join(bench.cx));
  ASSERT_TRUE(outcome.is_err());
  EXPECT_EQ(outcome.error().code(), ErrorCode::RegionClosed);
  EXPECT_NE(outcome.error().message().find("has been cancelled"), std::string::npos);
  EXPECT_EQ(outcome.error().cancel_reason()->message(), "enough");
  door.open();
  bench.stepper.run_until_idle();
}

// ---- R4: closing ----

TEST(Regions, R4_whoever_awaits_goes_on_after_the_close) {
  Bench bench;
  RegionId id;
  Lines lines;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    id = cx.region_id();
    (void)scope.spawn(cx, sleeper).value();
    (void)scope.heap_alloc<Farewell>(&lines, "heap");
    (void)scope.defer_sync([&] { lines.push_back("finalizer"); });
    co_return;
  };
  auto outer = [&](Cx cx, Scope<>& scope) -> Task<> {
    co_await scope.region(cx, FailFast{}, body);
    lines.push_back("awaiter");
    EXPECT_FALSE(bench.stepper.region(id)) << "the region is not yet reclaimed";
    EXPECT_TRUE(bench.stepper.region(cx.region_id())->children.empty());
    EXPECT_EQ(bench.stepper.scope(id).spawn(cx, answer, 1).error().kind(), SpawnErrorKind::RegionNotFound);
    EXPECT_EQ(bench.stepper.scope(id).defer_sync([] {}).error().code(), ErrorCode::RegionNotFound);
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, outer)).is_ok());
  EXPECT_EQ(lines, (Lines{"finalizer", "heap", "awaiter"}));
}

TEST(Regions, R4_finalizers_run_on_a_worker_never_where_the_last_count_dropped) {
  Runtime runtime = Runtime::builder().workers(2).build();
  std::thread::id job, finalizer;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    (void)scope.defer_sync([&] { finalizer = std::this_thread::get_id(); });
    auto work = [&](Cx) { job = std::this_thread::get_id(); };
    (void)scope.spawn_blocking(cx, unsafe_send(work)).value();
    co_return;
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
  EXPECT_NE(job, std::thread::id());
  EXPECT_NE(finalizer, std::thread::id());
  EXPECT_NE(finalizer, job);
  EXPECT_NE(finalizer, std::this_thread::get_id());
}

TEST(Regions, R4_finalizers_are_steps_of_their_own) {
  Bench bench;
  bool ran = false;
  (void)bench.scope.defer_sync([&] { ran = true; });
  auto handle = bench.scope.spawn(bench.cx, answer, 1).value();
  bench.stepper.begin_close(bench.root);
  EXPECT_EQ(bench.stepper.step(handle.task_id()), StepResult::done);
  EXPECT_FALSE(ran) << "the step that dropped the last count ran the finalizer";
  EXPECT_EQ(bench.stepper.region(bench.root)->state, RegionState::Finalizing);
  EXPECT_EQ(bench.stepper.run_until_idle(), 1u);
  EXPECT_TRUE(ran);
}

TEST(Regions, R4_a_closed_regions_id_is_stale) {
  Bench bench;
  bench.stepper.begin_close(bench.root);
  EXPECT_FALSE(bench.stepper.region(bench.root));
  RegionId next = bench.stepper.create_root_region();
  EXPECT_NE(next, bench.root) << "the record is used again, its id is not";
  EXPECT_FALSE(bench.stepper.region(bench.root));
  auto refused = bench.scope.spawn(bench.stepper.cx(next), answer, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), SpawnErrorKind::RegionNotFound);
  EXPECT_NE(refused.error().message().find("stale"), std::string::npos);
}

// ---- R5: the body ----

TEST(Regions, R5_a_failing_sibling_cancels_the_body) {
  Bench bench;
  bool unwound = false;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.launch(cx, failing, std::string("sibling"));
    auto slept = co_await cx.sleep(1h).outcome();
    EXPECT_TRUE(slept.is_cancelled());
    EXPECT_EQ(slept.cancel_reason().kind(), CancelKind::FailFast);
    unwound = true;
    co_await slept;
    co_return 1;
  };
  auto outer = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto outcome = co_await scope.region(cx, FailFast{}, body).outcome();
    EXPECT_TRUE(outcome.is_err()) << outcome;
    EXPECT_EQ(outcome.error().message(), "sibling");
    EXPECT_FALSE(cx.is_cancel_requested()) << "it unwinds to the region's boundary and no further";
    co_return 3;
  };
  EXPECT_EQ(bench.run(bench.scope.region(bench.cx, FailFast{}, outer)).value(), 3);
  EXPECT_TRUE(unwound);
  EXPECT_EQ(bench.stepper.now(), Time::zero());
}

TEST(Regions, R5_stays_open_for_its_tasks_after_the_body_ended_ok) {
  Bench bench;
  Lines lines;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto child = [](Cx mine, Scope<> own, Lines* out) -> Task<> {
      co_await mine.sleep(1s);
      auto grandchild = [](Cx, Lines* log) -> Task<> {
        log->push_back("spawned after the body's end");
        co_return;
      };
      auto spawned = own.spawn(mine, grandchild, unsafe_send(out));
      EXPECT_TRUE(spawned) << spawned.error();
    };
    (void)scope.spawn(cx, child, scope, unsafe_send(&lines)).value();
    lines.push_back("body ends");
    co_return 5;
  };
  EXPECT_EQ(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).value(), 5);
  EXPECT_EQ(lines, (Lines{"body ends", "spawned after the body's end"}));
}

TEST(Regions, R5_a_body_that_ends_err_cancels_the_region_with_fail_fast) {
  Bench bench;
  std::optional<CancelReason> seen;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto child = [](Cx mine, std::optional<CancelReason>* out) -> Task<> {
      (void)co_await mine.sleep(1h).outcome();
      *out = mine.cancel_reason();
    };
    (void)scope.spawn(cx, child, unsafe_send(&seen)).value();
    co_await cx.yield();
    co_await fail(ErrorCode::InvalidArgument, "the body's own");
    co_return 1;
  };
  auto outcome = bench.run(bench.scope.region(bench.cx, FailFast{}, body));
  ASSERT_TRUE(outcome.is_err());
  EXPECT_EQ(outcome.error().message(), "the body's own");
  EXPECT_EQ(seen->kind(), CancelKind::FailFast);
  EXPECT_NE(seen->message().find("the body's own"), std::string::npos) << "that failure as the cause";
}

TEST(Regions, R5_a_body_that_panics_cancels_the_region_with_fail_fast) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, sleeper).value();
    co_await cx.yield();
    throw std::runtime_error("the body's own");
  };
  auto outcome = bench.run(bench.scope.region(bench.cx, FailFast{}, body));
  ASSERT_TRUE(outcome.is_panicked()) << outcome;
  EXPECT_NE(outcome.panic().message().find("the body's own"), std::string::npos);
  EXPECT_EQ(bench.stepper.now(), Time::zero()) << "the sleeper was not cancelled";
}

TEST(Regions, R5_a_body_that_ends_cancelled_cancels_the_region_with_that_reason) {
  Bench bench;
  std::optional<CancelReason> seen;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto child = [](Cx mine, std::optional<CancelReason>* out) -> Task<> {
      (void)co_await mine.sleep(1h).outcome();
      *out = mine.cancel_reason();
    };
    (void)scope.spawn(cx, child, unsafe_send(&seen)).value();
    co_await cx.yield();
    co_await cancelled(CancelReason::timeout("of its own accord"));
    co_return 1;
  };
  auto observed = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto outcome = co_await scope.region(cx, FailFast{}, body).outcome();
    EXPECT_TRUE(outcome.is_cancelled()) << outcome;
    EXPECT_EQ(outcome.cancel_reason().message(), "of its own accord");
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, observed)).is_ok());
  EXPECT_EQ(seen->kind(), CancelKind::Timeout);
  EXPECT_EQ(seen->message(), "of its own accord");
}

TEST(Regions, R5_close_begins_closing_at_once) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto handle = scope.spawn(cx, answer, 4).value();
    scope.close();
    EXPECT_EQ(bench.stepper.region(cx.region_id())->state, RegionState::Closing);
    EXPECT_EQ(scope.spawn(cx, answer, 1).error().kind(), SpawnErrorKind::RegionClosed);
    EXPECT_FALSE(cx.is_cancel_requested()) << "closing is no request";
    co_return co_await handle.join(cx);
  };
  EXPECT_EQ(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).value(), 4);
}

TEST(Regions, R5_a_throwing_factory_closes_the_region_and_the_exception_goes_on) {
  Bench bench;
  RegionId id;
  auto factory = [&](Cx cx, Scope<>& scope) -> Task<int> {  // not a coroutine: it throws before it makes one
    id = cx.region_id();
    (void)scope.spawn(cx, sleeper).value();
    throw std::logic_error("no body today");
  };
  auto outer = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto ended = co_await scope.region(cx, FailFast{}, factory).outcome();
    EXPECT_TRUE(ended.is_panicked()) << ended;
    if (ended.is_panicked()) {
      EXPECT_THROW(std::rethrow_exception(ended.panic().exception()), std::logic_error);
    }
  };
  auto outcome = bench.run(bench.scope.region(bench.cx, FailFast{}, outer));
  // The region's coroutine is where the exception goes on; to its awaiter that is a panic, which .outcome() shows.
  EXPECT_TRUE(outcome.is_ok()) << outcome;
  EXPECT_FALSE(bench.stepper.region(id));
  EXPECT_EQ(bench.stepper.now(), Time::zero());
  EXPECT_TRUE(bench.stepper.region(bench.root)->children.empty());
}

TEST(Regions, R5_a_throwing_factory_in_block_on_reaches_the_caller) {
  Runtime runtime = Runtime::builder().workers(1).build();
  auto factory = [&](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, sleeper).value();
    throw std::logic_error("no body today");
  };
  EXPECT_THROW((void)runtime.block_on(factory), std::logic_error);
  EXPECT_TRUE(runtime.snapshot().regions.empty());
  EXPECT_EQ(runtime.stats().regions_opened, runtime.stats().regions_closed);
  EXPECT_EQ(runtime.stats().tasks_spawned, runtime.stats().tasks_completed);
}

TEST(Regions, R5_a_local_callers_body_is_pinned_to_its_worker) {
  Runtime runtime = Runtime::builder().workers(3).build();
  auto local = [](Cx cx) -> Task<> {
    const std::thread::id home = std::this_thread::get_id();
    auto body = [&](Cx inner, Scope<>&) -> Task<> {
      for (int i = 0; i < 200; ++i) {
        EXPECT_EQ(std::this_thread::get_id(), home);
        co_await inner.yield();
      }
    };
    co_await region(cx, FailFast{}, body);
    EXPECT_EQ(std::this_thread::get_id(), home);
  };
  auto busy = [](Cx cx) -> Task<> {
    for (int i = 0; i < 200; ++i) co_await cx.yield();
  };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    for (int i = 0; i < 4; ++i) {
      (void)scope.spawn_local(cx, local).value();
      (void)scope.spawn(cx, busy).value();
    }
    co_return;
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
}

// ---- R6: awaiting a region is never cut short ----

TEST(Regions, R6_a_request_on_the_awaiter_does_not_end_the_await) {
  Bench bench;
  Door door;
  Lines lines;
  auto task = [](Cx cx, Door* held, Lines* out) -> Task<> {
    Farewell local(out, "awaiter's frame");
    auto body = [&](Cx, Scope<>&) -> Task<> {
      co_await *held;  // ignores its request
      out->push_back("body ends");
    };
    co_await region(cx, FailFast{}, body);
  };
  auto handle = bench.scope.spawn(bench.cx, task, unsafe_send(&door), unsafe_send(&lines)).value();
  bench.stepper.run_until_idle();
  handle.abort();
  bench.stepper.run_until_idle();
  EXPECT_EQ(lines, Lines{});
  EXPECT_TRUE(bench.stepper.region(bench.stepper.region(bench.root)->children.at(0))->cancel_reason)
      << "the request reached the region instead";
  door.open();
  bench.stepper.run_until_idle();
  EXPECT_EQ(lines, (Lines{"body ends", "awaiter's frame"}));
}

TEST(Regions, R6_an_escalated_awaiter_is_destroyed_only_after_its_regions_have_drained) {
  Bench bench;
  Door door;
  Lines lines;
  auto bounded = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto awaiter = [](Cx mine, Door* held, Lines* out) -> Task<> {
      Farewell local(out, "awaiter's frame");
      auto body = [&](Cx, Scope<>&) -> Task<> {
        Farewell inner(out, "body's frame");
        co_await *held;  // a foreign await: not escalated either
        out->push_back("body goes on");
      };
      (void)co_await region(mine, FailFast{}, body).outcome();
      out->push_back("awaiter goes on");
      MaskGuard mask = mine.mask();
      co_await mine.sleep(1h);
      out->push_back("never");
    };
    (void)scope.spawn(cx, awaiter, unsafe_send(&door), unsafe_send(&lines)).value();
    co_return;
  };
  RegionOptions options = RegionOptions().with_cleanup(CleanupBudget{1'000'000, 1s}).bounded();
  auto opener = [&](Cx cx, Scope<>& scope) -> Task<> {
    (void)co_await scope.region_with(cx, options, FailFast{}, bounded).outcome();
  };
  auto root_task = [](Cx cx, decltype(opener)* open) -> Task<> { co_await region(cx, FailFast{}, *open); };
  auto handle = bench.scope.spawn(bench.cx, root_task, unsafe_send(&opener)).value();
  bench.stepper.run_until_idle();
  handle.abort();
  bench.stepper.run_until_idle();
  bench.stepper.advance(10s);
  bench.stepper.run_until_idle();
  EXPECT_EQ(lines, Lines{}) << "a frame went while what may borrow from it was alive";
  door.open();
  bench.stepper.run_until_idle();
  ASSERT_GE(lines.size(), 2u);
  EXPECT_EQ(lines.back(), "awaiter's frame");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "never"), 0);
  EXPECT_TRUE(handle.is_finished());
}

// ---- R8: limits ----

TEST(Regions, R8_max_tasks_refuses_with_what_and_how_many) {
  Bench bench({}, Budget::infinite(), {.max_tasks = 2});
  auto first = bench.scope.spawn(bench.cx, sleeper).value();
  auto second = bench.scope.spawn(bench.cx, answer, 2).value();
  auto refused = bench.scope.spawn(bench.cx, sleeper);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), SpawnErrorKind::RegionAtCapacity);
  EXPECT_EQ(refused.error().region(), bench.root);
  EXPECT_EQ(refused.error().limit(), 2u);
  EXPECT_EQ(refused.error().live(), 2u);
  EXPECT_NE(refused.error().message().find("max_tasks is 2 and 2 are live"), std::string::npos)
      << refused.error().message();
  EXPECT_EQ(bench.stepper.region(bench.root)->tasks.size(), 2u);
  bench.stepper.step(second.task_id());
  EXPECT_TRUE(bench.scope.spawn(bench.cx, sleeper)) << "a place that is free again";
}

TEST(Regions, R8_the_body_does_not_count_against_max_tasks) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<> {
    EXPECT_TRUE(scope.spawn(cx, answer, 1));
    EXPECT_FALSE(scope.spawn(cx, answer, 1));
    auto inner = [](Cx, Scope<>&) -> Task<> { co_return; };
    co_await scope.region(cx, FailFast{}, inner);  // nor does a child region
    co_return;
  };
  auto run = bench.scope.region_with(bench.cx, RegionOptions().with_limits({.max_tasks = 1}), FailFast{}, body);
  EXPECT_TRUE(bench.run(std::move(run)).is_ok());
}

TEST(Regions, R8_max_children) {
  Bench bench;
  Door door;
  auto opens = [](Cx cx, Door* held) -> Task<> {
    auto body = [held](Cx, Scope<>&) -> Task<> { co_await *held; };
    co_await region(cx, FailFast{}, body);
  };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto holder = scope.spawn(cx, opens, unsafe_send(&door)).value();
    co_await cx.yield();
    co_await cx.yield();
    auto nothing = [](Cx, Scope<>&) -> Task<> { co_return; };
    auto refused = co_await scope.region(cx, FailFast{}, nothing).outcome();
    EXPECT_TRUE(refused.is_err());
    EXPECT_EQ(refused.error().code(), ErrorCode::RegionAtCapacity);
    EXPECT_NE(refused.error().message().find("max_children is 1 and 1 are live"), std::string::npos)
        << refused.error().message();
    EXPECT_EQ(bench.stepper.region(cx.region_id())->children.size(), 1u);
    door.open();
    co_await holder.join(cx);
    auto opened = co_await scope.region(cx, FailFast{}, nothing).outcome();
    EXPECT_TRUE(opened.is_ok()) << opened;
  };
  auto run =
      bench.scope.region_with(bench.cx, RegionOptions().with_limits({.max_children = 1}), FailFast{}, body);
  EXPECT_TRUE(bench.run(std::move(run)).is_ok());
}

TEST(Regions, R8_max_heap_bytes) {
  Bench bench({}, Budget::infinite(), {.max_heap_bytes = 2 * sizeof(std::uint64_t)});
  EXPECT_TRUE(bench.scope.heap_alloc<std::uint64_t>(1u));
  EXPECT_TRUE(bench.scope.heap_alloc<std::uint64_t>(2u));
  auto refused = bench.scope.heap_alloc<std::uint64_t>(3u);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::RegionAtCapacity);
  EXPECT_EQ(refused.error().limit(), 16u);
  EXPECT_EQ(refused.error().live(), 16u);
}

// ---- R9: the region heap ----

TEST(Regions, R9_values_die_newest_first_after_the_finalizers_and_before_closed) {
  Bench bench;
  Lines lines;
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    (void)scope.heap_alloc<Farewell>(&lines, "first");
    (void)scope.heap_alloc<Farewell>(&lines, "second");
    auto finalizer = [&](Cx) -> Task<> {
      lines.push_back("finalizer");
      co_return;
    };
    (void)scope.defer_async(finalizer);
    (void)scope.heap_alloc<Farewell>(&lines, "third");
    co_return;
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).is_ok());
  EXPECT_EQ(lines, (Lines{"finalizer", "third", "second", "first"}));
}

TEST(Regions, R9_finalizers_may_read_it) {
  Bench bench;
  int seen = 0;
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    RRef<int> value = scope.heap_alloc<int>(42).value();
    auto finalizer = [&seen, value](Cx cx) -> Task<> {
      seen = value.get(cx).value().get();
      co_return;
    };
    (void)scope.defer_async(finalizer);
    co_return;
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).is_ok());
  EXPECT_EQ(seen, 42);
}

TEST(Regions, R9_tasks_of_the_region_and_below_may_read_it) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    RRef<const int> value = scope.heap_alloc<const int>(20).value();
    auto child = [](Cx mine, RRef<const int> ref) -> Task<int> {
      auto below = [ref](Cx inner, Scope<>&) -> Task<int> { co_return ref.get(inner).value().get(); };
      int lower = co_await region(mine, FailFast{}, below);
      co_return lower + ref.get(mine).value().get();
    };
    auto handle = scope.spawn(cx, child, value).value();
    co_return 2 + co_await handle.join(cx);
  };
  EXPECT_EQ(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).value(), 42);
}

TEST(Regions, R9_access_from_elsewhere_and_after_the_close_are_typed_errors) {
  Bench bench;
  RRef<int> value;
  EXPECT_EQ(value.get(bench.cx).error().code(), ErrorCode::StaleReference) << "one that was never there";
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    value = scope.heap_alloc<int>(42).value();
    auto from_above = value.get(bench.cx);
    EXPECT_EQ(from_above.error().code(), ErrorCode::WrongRegion);
    EXPECT_NE(from_above.error().message().find("only its tasks and those below it"), std::string::npos);
    co_return;
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).is_ok());
  auto stale = value.get(bench.cx);
  EXPECT_EQ(stale.error().code(), ErrorCode::StaleReference);
  EXPECT_NE(stale.error().message().find("its region has closed"), std::string::npos);
}

TEST(Regions, R9_a_reference_into_an_earlier_life_of_the_record_is_stale) {
  Bench bench;
  RRef<int> first;
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    first = scope.heap_alloc<int>(1).value();
    co_return;
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).is_ok());
  auto again = [&](Cx cx, Scope<>& scope) -> Task<> {
    RRef<int> second = scope.heap_alloc<int>(2).value();
    EXPECT_EQ(second.get(cx).value().get(), 2);
    EXPECT_EQ(first.get(cx).error().code(), ErrorCode::StaleReference);
    co_return;
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, again)).is_ok());
}

TEST(Regions, R9_reads_through_a_stale_context_are_refused) {
  Bench bench;
  Cx ended;
  auto keep = [](Cx cx, Cx* out) -> Task<> {
    *out = cx;
    co_return;
  };
  {
    auto handle = bench.scope.spawn(bench.cx, keep, unsafe_send(&ended)).value();
    bench.stepper.run_until_idle();
  }
  auto value = bench.scope.heap_alloc<int>(1).value();
  EXPECT_EQ(value.get(ended).error().code(), ErrorCode::StaleContext);
}

struct ThrowsWhenDestroyed {
  Lines* lines;
  explicit ThrowsWhenDestroyed(Lines* out) : lines(out) {}
  ~ThrowsWhenDestroyed() noexcept(false) {
    lines->push_back("throws");
    throw std::runtime_error("from a heap value");
  }
};

TEST(Regions, R9_each_value_is_isolated_as_resource_cleanup) {
  auto metrics = std::make_shared<InMemoryMetrics>();
  Bench bench(StepperOptions{.metrics = metrics});
  Lines lines;
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    (void)scope.heap_alloc<Farewell>(&lines, "first");
    (void)scope.heap_alloc<ThrowsWhenDestroyed>(&lines);
    (void)scope.heap_alloc<Farewell>(&lines, "third");
    co_return;
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).is_ok());
  EXPECT_EQ(lines, (Lines{"third", "throws", "first"}));
  EXPECT_EQ(metrics->panics("region_cleanup"), 1u);
}

static_assert(Sendable<RRef<const int>>);
static_assert(!Sendable<RRef<int>>);
static_assert(Sendable<RRef<std::atomic<int>>>);
static_assert(std::copyable<RRef<int>>);

// ---- R10: a request that ended a child or the body ----

template <class Body, class P = FailFast>
Outcome<int> region_outcome(Bench<>& bench, Body& body, P policy = {}) {
  std::optional<Outcome<int>> seen;
  auto outer = [&](Cx cx, Scope<>& scope) -> Task<> {
    seen = co_await scope.region(cx, policy, body).outcome();
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, outer)).is_ok());
  return std::move(*seen);
}

TEST(Regions, R10_a_cancelled_child_makes_the_region_cancelled_even_if_the_body_returned) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, sleeper).value();
    co_await cx.yield();
    scope.cancel(CancelReason::user("from its own scope"));
    co_return 5;
  };
  Outcome<int> outcome = region_outcome(bench, body);
  ASSERT_TRUE(outcome.is_cancelled()) << outcome;
  EXPECT_EQ(outcome.cancel_reason().message(), "from its own scope");
  EXPECT_EQ(outcome.cancel_reason().kind(), CancelKind::User);
}

TEST(Regions, R10_a_request_that_ended_nobody_leaves_the_value) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    auto child = [](Cx mine) -> Task<> { (void)co_await mine.sleep(1h).outcome(); };
    (void)scope.spawn(cx, child).value();
    co_await cx.yield();
    scope.cancel(CancelReason::user("from its own scope"));
    co_return 5;
  };
  EXPECT_EQ(region_outcome(bench, body).value(), 5);
}

TEST(Regions, R10_the_regions_own_fail_fast_does_not_count) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, sleeper).value();
    (void)scope.launch(cx, failing, std::string("the cause"));
    co_await cx.yield();
    co_return 5;
  };
  Outcome<int> outcome = region_outcome(bench, body);
  ASSERT_TRUE(outcome.is_err()) << "Cancelled hid its cause: " << outcome;
  EXPECT_EQ(outcome.error().message(), "the cause");
}

TEST(Regions, R10_a_panic_stays_the_worst) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, sleeper).value();
    co_await cx.yield();
    scope.cancel(CancelReason::user("from its own scope"));
    throw std::runtime_error("worst");
  };
  Outcome<int> outcome = region_outcome(bench, body);
  ASSERT_TRUE(outcome.is_panicked()) << outcome;
}

TEST(Regions, R10_an_err_of_the_body_yields_to_a_request_that_ended_a_child_before) {
  Bench bench;
  Door door;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto child = [](Cx mine, Door* opens) -> Task<> {
      auto slept = co_await mine.sleep(1h).outcome();
      opens->open();
      co_await slept;
    };
    (void)scope.spawn(cx, child, unsafe_send(&door)).value();
    co_await cx.yield();
    scope.cancel(CancelReason::user("from its own scope"));
    co_await door;
    co_await fail(ErrorCode::User, "weaker");
    co_return 1;
  };
  Outcome<int> outcome = region_outcome(bench, body);
  ASSERT_TRUE(outcome.is_cancelled()) << outcome;
  EXPECT_EQ(outcome.cancel_reason().message(), "from its own scope");
}

TEST(Regions, R10_a_budget_that_ends_a_child_shows) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, sleeper).value();
    co_return 5;
  };
  std::optional<Outcome<int>> seen;
  auto outer = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto budget = Budget::infinite().with_deadline(Time::zero() + 1s);
    seen = co_await scope.region_with_budget(cx, budget, FailFast{}, body).outcome();
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, outer)).is_ok());
  ASSERT_TRUE(seen->is_cancelled()) << *seen;
  EXPECT_EQ(seen->cancel_reason().kind(), CancelKind::Deadline);
}

// ---- R11: scopes of the calling task's own region ----

TEST(Regions, R11_region_through_a_scope_from_elsewhere_is_refused) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>&) -> Task<> {
    auto inner = [](Cx, Scope<>&) -> Task<> { co_return; };
    auto refused = co_await bench.scope.region(cx, FailFast{}, inner).outcome();  // the parent's scope
    EXPECT_TRUE(refused.is_err());
    EXPECT_EQ(refused.error().code(), ErrorCode::WrongRegion);
    EXPECT_NE(refused.error().message().find("use a scope of its own region"), std::string::npos);
    EXPECT_TRUE(bench.stepper.region(bench.root)->children.size() == 1u) << "something was opened";
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).is_ok());
}

TEST(Regions, R11_combinators_need_a_scope_of_the_callers_region_too) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto code = [](const auto& outcome) { return outcome.is_err() ? outcome.error().code() : ErrorCode::User; };
    auto make = [&] { return scope.spawn(cx, answer, 1).value(); };
    Scope<>& foreign = bench.scope;
    EXPECT_EQ(code(co_await foreign.join(cx, make()).outcome()), ErrorCode::WrongRegion);
    EXPECT_EQ(code(co_await foreign.try_join(cx, make()).outcome()), ErrorCode::WrongRegion);
    EXPECT_EQ(code(co_await foreign.race(cx, make()).outcome()), ErrorCode::WrongRegion);
    EXPECT_EQ(code(co_await foreign.timeout(cx, 1s, make()).outcome()), ErrorCode::WrongRegion);
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).is_ok());
}

TEST(Regions, R11_handles_may_be_from_anywhere) {
  Bench bench;
  RegionId other_root = bench.stepper.create_root_region();
  auto foreign = bench.stepper.scope(other_root).spawn(bench.cx, answer, 42).value();
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto results = co_await scope.join(cx, std::move(foreign));
    co_return std::get<0>(std::move(results)).value();
  };
  EXPECT_EQ(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).value(), 42);
}

TEST(Regions, R11_region_without_a_scope_opens_one_in_the_callers_region) {
  Bench bench;
  auto task = [](Cx cx) -> Task<RegionId> {
    auto body = [](Cx inner, Scope<>&) -> Task<RegionId> { co_return inner.region_id(); };
    co_return co_await region(cx, FailFast{}, body);
  };
  auto handle = bench.scope.spawn(bench.cx, task).value();
  RegionId inner = bench.stepper.run(handle.join(bench.cx)).value();
  EXPECT_NE(inner, bench.root);
}

}  // namespace
}  // namespace quiesce::semantics
