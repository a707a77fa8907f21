// Rules R2 to R4: the states of a region, what it refuses from Closing on, and its close.
#include <atomic>
#include <thread>
#include <utility>

#include "support.hpp"

namespace quiesce::semantics {
namespace {

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
  EXPECT_TRUE(bench.run_region(body).is_ok());
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

/// A region's body that gives one more than the 41 of a task it spawns.
Task<int> one_more_than_its_child(Cx cx, Scope<>& scope) {
  auto handle = co_await scope.spawn(cx, answer, 41);
  co_return 1 + co_await handle.join(cx);
}

TEST(Regions, R3_a_running_task_of_a_closing_region_may_open_child_regions) {
  Bench bench;
  auto task = [](Cx cx, Scope<> own) -> Task<int> {
    own.close();
    EXPECT_FALSE(own.spawn(cx, answer, 1));
    co_return co_await own.region(cx, FailFast{}, one_more_than_its_child);
  };
  auto handle = bench.scope.spawn(bench.cx, task, bench.scope).value();
  EXPECT_EQ(bench.stepper.run(handle.join(bench.cx)).value(), 42);
}

TEST(Regions, R3_an_async_finalizer_may_open_child_regions) {
  Bench bench;
  int seen = 0;
  auto finalizer = [&](Cx cx) -> Task<> {
    EXPECT_EQ(bench.stepper.region(cx.region_id())->state, RegionState::Finalizing);
    seen = co_await region(cx, FailFast{}, one_more_than_its_child);
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
    EXPECT_FALSE(refused);
    if (refused) co_return 0;
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
  EXPECT_TRUE(bench.run_region(outer).is_ok());
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

TEST(Regions, R4_a_result_that_nobody_takes_dies_before_its_region_closes) {
  struct Borrowing {
    std::atomic<int>* alive;
    explicit Borrowing(std::atomic<int>* count) : alive(count) { ++*alive; }
    Borrowing(Borrowing&& other) noexcept : alive(std::exchange(other.alive, nullptr)) {}
    ~Borrowing() {
      if (alive == nullptr) return;
      for (int i = 0; i < 100; ++i) std::this_thread::yield();  // the region would have time to close
      --*alive;
    }
  };
  Runtime runtime = Runtime::builder().workers(2).build();
  auto body = [](Cx cx, Scope<>&) -> Task<> {
    for (int i = 0; i < repeated(200); ++i) {
      std::atomic<int> alive{0}, made{0};
      auto inner = [&](Cx mine, Scope<>& scope) -> Task<> {
        auto child = [&](Cx) -> Task<Borrowing> {
          Borrowing result(&alive);
          made = 1;
          co_return result;
        };
        { auto handle = scope.spawn(mine, UnsafeSend(std::move(child))).value(); }
        while (made == 0) co_await mine.yield();
      };
      co_await region(cx, FailFast{}, inner);
      EXPECT_EQ(alive.load(), 0);
    }
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
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

}  // namespace
}  // namespace quiesce::semantics
