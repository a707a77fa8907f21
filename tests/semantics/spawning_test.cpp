// Rules S1 to S8: spawning.
#include <algorithm>
#include <atomic>
#include <latch>
#include <optional>
#include <thread>

#include "quiesce/capabilities.hpp"
#include "support.hpp"

namespace quiesce::semantics {
namespace {

// ---- S1: all or nothing ----

TEST(Spawning, S1_record_place_and_handle_exist_before_the_first_step) {
  auto metrics = std::make_shared<InMemoryMetrics>();
  Bench bench(StepperOptions{.metrics = metrics});
  auto handle = bench.scope.spawn(bench.cx, answer, 3).value();
  auto view = bench.stepper.task(handle.task_id()).value();
  EXPECT_EQ(view.phase, TaskPhase::Created);
  EXPECT_EQ(view.steps, 0u);
  EXPECT_EQ(view.owner, bench.root);
  EXPECT_EQ(bench.stepper.region(bench.root)->tasks, std::vector{handle.task_id()});
  EXPECT_EQ(metrics->count(MetricKind::TaskSpawned), 1u);
  EXPECT_FALSE(handle.is_finished());
}

struct ThrowsWhenCopied {
  ThrowsWhenCopied() = default;
  ThrowsWhenCopied(const ThrowsWhenCopied&) { throw std::runtime_error("no copy"); }
};

TEST(Spawning, S1_a_throwing_argument_rolls_everything_back) {
  auto metrics = std::make_shared<InMemoryMetrics>();
  Bench bench(StepperOptions{.metrics = metrics});
  auto before = bench.stepper.snapshot().text();
  ThrowsWhenCopied argument;
  auto takes = [](Cx, ThrowsWhenCopied) -> Task<> { co_return; };
  auto blocks = [](Cx, const ThrowsWhenCopied&) { return 1; };
  EXPECT_THROW((void)bench.scope.spawn(bench.cx, takes, argument), std::runtime_error);
  EXPECT_THROW((void)bench.scope.launch(bench.cx, takes, argument), std::runtime_error);
  EXPECT_THROW((void)bench.scope.spawn_blocking(bench.cx, blocks, argument), std::runtime_error);
  EXPECT_EQ(bench.stepper.snapshot().text(), before);
  EXPECT_EQ(metrics->count(MetricKind::TaskSpawned), 0u);
  EXPECT_EQ(bench.stepper.run_until_idle(), 0u);
  bench.stepper.begin_close(bench.root);
  EXPECT_FALSE(bench.stepper.region(bench.root)) << "a count was left behind";
}

Task<> makes_no_coroutine(Cx) { throw std::runtime_error("no frame today"); }

TEST(Spawning, S1_a_throwing_factory_rolls_everything_back) {
  Bench bench({}, Budget::infinite(), {.max_tasks = 1});
  for (int i = 0; i < 3; ++i)
    EXPECT_THROW((void)bench.scope.spawn(bench.cx, makes_no_coroutine), std::runtime_error);
  EXPECT_TRUE(bench.stepper.region(bench.root)->tasks.empty());
  EXPECT_TRUE(bench.scope.spawn(bench.cx, answer, 1)) << "the place is free";
}

TEST(Spawning, S1_a_refusal_leaves_no_handle_and_no_task) {
  auto metrics = std::make_shared<InMemoryMetrics>();
  Bench bench(StepperOptions{.metrics = metrics}, Budget::infinite(), {.max_tasks = 0});
  EXPECT_FALSE(bench.scope.spawn(bench.cx, answer, 1));
  EXPECT_FALSE(bench.scope.launch(bench.cx, answer, 1));
  EXPECT_FALSE(bench.scope.spawn_blocking(bench.cx, [](Cx) { return 1; }));
  EXPECT_TRUE(bench.stepper.live_tasks().empty());
  EXPECT_EQ(metrics->count(MetricKind::TaskSpawned), 0u);
  EXPECT_EQ(metrics->count(MetricKind::TaskCompleted), 0u);
}

// ---- S2: errors ----

TEST(Spawning, S2_region_not_found_and_closed) {
  Bench bench;
  Door door;
  auto held = bench.scope.spawn(bench.cx, at_door, unsafe_send(&door)).value();
  bench.stepper.begin_close(bench.root);
  EXPECT_EQ(bench.scope.spawn(bench.cx, answer, 1).error().kind(), SpawnErrorKind::RegionClosed);
  door.open();
  bench.stepper.run_until_idle();
  auto gone = bench.scope.spawn(bench.cx, answer, 1);
  EXPECT_EQ(gone.error().kind(), SpawnErrorKind::RegionNotFound);
  EXPECT_NE(gone.error().message().find("has closed; its scope and ids are stale"), std::string::npos);
  EXPECT_EQ(Error(gone.error()).code(), ErrorCode::RegionNotFound);
}

TEST(Spawning, S2_region_at_capacity) {
  Bench bench({}, Budget::infinite(), {.max_tasks = 0});
  EXPECT_EQ(bench.scope.spawn(bench.cx, answer, 1).error().kind(), SpawnErrorKind::RegionAtCapacity);
}

TEST(Spawning, S2_no_worker_for_a_local_spawn) {
  Runtime runtime = Runtime::builder().workers(1).build();
  auto body = [](Cx cx, Scope<>& scope) -> Task<> {
    auto job = [scope](Cx mine) {
      auto refused = scope.spawn_local(mine, answer, 1);
      EXPECT_EQ(refused.error().kind(), SpawnErrorKind::LocalSchedulerUnavailable);
      EXPECT_NE(refused.error().message().find("call it from a task"), std::string::npos);
    };
    auto handle = scope.spawn_blocking(cx, unsafe_send(job)).value();
    co_await handle.join(cx);
    EXPECT_TRUE(scope.spawn_local(cx, answer, 1));
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
}

TEST(Spawning, S2_runtime_shutdown) {
  Runtime runtime = Runtime::builder().workers(1).build();
  std::latch begun(1);
  std::optional<SpawnErrorKind> refused;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    begun.count_down();
    while (!cx.is_shutting_down()) co_await cx.yield();
    auto spawned = scope.spawn(cx, answer, 1);
    if (!spawned) refused = spawned.error().kind();
  };
  std::thread waiter([&] { EXPECT_TRUE(runtime.block_on(body).is_ok()); });
  begun.wait();
  EXPECT_TRUE(runtime.shutdown(1h).drained);
  waiter.join();
  EXPECT_EQ(refused, SpawnErrorKind::RuntimeShutdown);
}

TEST(Spawning, S2_wrong_runtime) {
  Bench here, there;
  auto refused = here.scope.spawn(there.cx, answer, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), SpawnErrorKind::WrongRuntime);
  EXPECT_NE(refused.error().message().find("pass the context of a task of that runtime"), std::string::npos);
  EXPECT_TRUE(here.stepper.live_tasks().empty());
}

TEST(Spawning, S2_joining_across_runtimes_wakes_in_the_joiners) {
  Runtime one = Runtime::builder().workers(1).name("one").build();
  Runtime two = Runtime::builder().workers(1).name("two").build();
  std::latch spawned(1), release(1);
  std::optional<TaskHandle<int>> handle;
  std::thread elsewhere([&] {
    auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
      auto job = [&](Cx) {
        release.wait();
        return 42;
      };
      handle = scope.spawn_blocking(cx, unsafe_send(job)).value();
      spawned.count_down();
      co_return;
    };
    EXPECT_TRUE(one.block_on(body).is_ok());
  });
  spawned.wait();
  auto body = [&](Cx cx, Scope<>&) -> Task<int> {
    const std::thread::id worker = std::this_thread::get_id();
    auto opens = [&] { release.count_down(); };
    opens();
    int value = co_await handle->join(cx);
    EXPECT_EQ(std::this_thread::get_id(), worker) << "the only worker of the joiner's runtime";
    co_return value;
  };
  EXPECT_EQ(two.block_on(body).value(), 42);
  elsewhere.join();
}

// ---- S3: what a child inherits ----

struct CountingPressure final : Pressure {
  PressureReading read() const override { return {}; }
};

TEST(Spawning, S3_a_child_has_its_parents_capabilities_and_none_more) {
  std::shared_ptr<Pressure> seen;
  Bench bench;
  Capabilities set;
  set.pressure = std::make_shared<CountingPressure>();
  set.timer = false;
  Cx parent = bench.stepper.cx(bench.root, set);
  auto child = [](Cx cx, Scope<> scope, std::shared_ptr<Pressure>* out) -> Task<> {
    auto grandchild = [](Cx mine, std::shared_ptr<Pressure>* to) -> Task<> {
      *to = mine.pressure();
      EXPECT_FALSE(mine.has_timer());
      EXPECT_EQ(mine.registry(), nullptr);
      EXPECT_EQ(mine.remote(), nullptr);
      EXPECT_EQ(mine.io(), nullptr);
      EXPECT_EQ(mine.macaroon(), nullptr);
      auto slept = co_await mine.sleep(1s).outcome();
      EXPECT_EQ(slept.error().code(), ErrorCode::MissingCapability);
    };
    auto handle = co_await scope.spawn(cx, grandchild, unsafe_send(out));
    co_await handle.join(cx);
    auto body = [out](Cx inner, Scope<>&) -> Task<> {
      EXPECT_EQ(inner.pressure(), *out) << "a region's body is a child too";
      co_return;
    };
    co_await scope.region(cx, FailFast{}, body);
  };
  auto handle = bench.scope.spawn(parent, child, bench.scope, unsafe_send(&seen)).value();
  EXPECT_TRUE(bench.stepper.run(handle.join(bench.cx)).is_ok());
  EXPECT_EQ(seen, set.pressure);
}

TEST(Spawning, S3_entropy_is_split_by_logical_id_and_each_child_has_its_own_identity) {
  auto draw = [](std::uint64_t seed) {
    Bench bench(StepperOptions{.seed = seed});
    std::vector<std::pair<std::string, std::uint64_t>> drawn;
    auto child = [](Cx cx, std::vector<std::pair<std::string, std::uint64_t>>* out) -> Task<> {
      out->emplace_back(cx.path(), cx.random_u64());
      co_return;
    };
    for (int i = 0; i < 3; ++i) (void)bench.scope.spawn(bench.cx, child, unsafe_send(&drawn)).value();
    bench.stepper.run_until_idle();
    std::sort(drawn.begin(), drawn.end());
    return drawn;
  };
  auto first = draw(1), again = draw(1), other = draw(2);
  EXPECT_EQ(first, again);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(first[i].first, other[i].first);
    EXPECT_NE(first[i].second, other[i].second);
    for (std::size_t j = 0; j < i; ++j) {
      EXPECT_NE(first[i].first, first[j].first);
      EXPECT_NE(first[i].second, first[j].second);
    }
  }
}

TEST(Spawning, S3_reading_a_foreign_context_keeps_its_capabilities_alive) {
  std::shared_ptr<Pressure> pressure = std::make_shared<CountingPressure>();
  Bench bench;
  Capabilities set;
  set.pressure = pressure;
  Cx special = bench.stepper.cx(bench.root, std::move(set));
  auto handle = bench.scope.spawn(special, sleeper).value();
  auto reader = [](Cx, Cx foreign, std::shared_ptr<Pressure>* out) -> Task<> {
    *out = foreign.pressure();
    co_return;
  };
  std::shared_ptr<Pressure> seen;
  (void)bench.scope.spawn(bench.cx, reader, special, unsafe_send(&seen)).value();
  bench.stepper.run_until_idle();
  EXPECT_EQ(seen, pressure);
}

// ---- S4: tiers ----

TEST(Spawning, S4_local_tasks_stay_on_the_worker_that_spawned_them) {
  Runtime runtime = Runtime::builder().workers(4).build();
  std::atomic<int> moved{0};
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto spawner = [](Cx mine, Scope<> own, std::atomic<int>* count) -> Task<> {
      const std::thread::id home = std::this_thread::get_id();
      auto pinned = [home, count](Cx inner) -> Task<> {  // holds what could not be sent
        for (int i = 0; i < repeated(50); ++i) {
          if (std::this_thread::get_id() != home) ++*count;
          if (i % 10 == 0) {
            co_await inner.sleep(1us);
          } else {
            co_await inner.yield();
          }
        }
      };
      for (int i = 0; i < 8; ++i) EXPECT_TRUE(own.spawn_local(mine, pinned));
      co_return;
    };
    for (int i = 0; i < repeated(16); ++i) EXPECT_TRUE(scope.spawn(cx, spawner, scope, unsafe_send(&moved)));
    co_return;
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
  EXPECT_EQ(moved.load(), 0);
}

TEST(Spawning, S4_a_task_migrates_when_its_worker_is_busy) {
  Runtime runtime = Runtime::builder().workers(2).build();
  std::latch both(2);
  auto meets = [](Cx, std::latch* latch) -> Task<> {
    latch->arrive_and_wait();  // two threads, or never
    co_return;
  };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    EXPECT_TRUE(scope.spawn(cx, meets, unsafe_send(&both)));
    EXPECT_TRUE(scope.spawn(cx, meets, unsafe_send(&both)));
    co_return;
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
}

TEST(Spawning, S4_blocking_tasks_never_run_on_a_worker) {
  Runtime runtime = Runtime::builder().workers(1).build();
  auto body = [](Cx cx, Scope<>& scope) -> Task<> {
    const std::thread::id worker = std::this_thread::get_id();
    std::atomic<bool> ran{false};
    auto job = [&ran](Cx) {
      ran = true;
      ran.notify_all();
      return std::this_thread::get_id();
    };
    auto handle = scope.spawn_blocking(cx, unsafe_send(job)).value();
    ran.wait(false);  // this step holds the only worker until the job has run
    EXPECT_NE(co_await handle.join(cx), worker);
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
}

struct NotSendable {
  int* borrowed;
};
static_assert(spawnable<Task<int> (*)(Cx, int), int>);
static_assert(!spawnable<Task<> (*)(Cx, NotSendable), NotSendable>, "a task takes only sendable things");
static_assert(!spawnable<Task<int*> (*)(Cx)>, "and gives only sendable things");

// ---- S5: handles ----

TEST(Spawning, S5_dropping_a_handle_neither_detaches_nor_cancels) {
  Bench bench;
  bool ended = false;
  {
    auto child = [](Cx cx, bool* out) -> Task<> {
      auto slept = co_await cx.sleep(1s).outcome();
      *out = slept.is_ok();
    };
    auto handle = bench.scope.spawn(bench.cx, child, unsafe_send(&ended)).value();
    bench.stepper.run_until_idle();
  }
  ASSERT_EQ(bench.stepper.live_tasks().size(), 1u);
  EXPECT_FALSE(bench.stepper.task(bench.stepper.live_tasks()[0])->cancel_requested);
  bench.stepper.advance(1s);
  bench.stepper.run_until_idle();
  EXPECT_TRUE(ended);
}

TEST(Spawning, S5_join_consumes_the_result) {
  Bench bench;
  auto handle = bench.scope.spawn(bench.cx, answer, 42).value();
  EXPECT_EQ(bench.stepper.run(handle.join(bench.cx)).value(), 42);
  Outcome<int> again = bench.stepper.run(handle.join(bench.cx));
  ASSERT_TRUE(again.is_err());
  EXPECT_EQ(again.error().code(), ErrorCode::PolledAfterCompletion);
  EXPECT_NE(again.error().message().find(bench.stepper.region(bench.root)->path), std::string::npos);
}

TEST(Spawning, S5_join_of_a_moved_handle_is_polled_after_completion) {
  Bench bench;
  auto handle = bench.scope.spawn(bench.cx, answer, 42).value();
  auto moved = std::move(handle);
  EXPECT_FALSE(handle);
  Outcome<int> outcome = bench.stepper.run(handle.join(bench.cx));
  EXPECT_EQ(outcome.error().code(), ErrorCode::PolledAfterCompletion);
  EXPECT_EQ(bench.stepper.run(moved.join(bench.cx)).value(), 42);
}

TEST(Spawning, S5_a_join_that_is_cancelled_while_waiting_may_be_repeated) {
  Bench bench;
  Door door;
  auto slow = [](Cx, Door* held) -> Task<int> {
    co_await *held;
    co_return 42;
  };
  auto target = bench.scope.spawn(bench.cx, slow, unsafe_send(&door)).value();
  int seen = 0;
  auto joiner = [](Cx cx, TaskHandle<int>* joined, int* out) -> Task<> {
    auto first = co_await joined->join(cx).outcome();
    EXPECT_TRUE(first.is_cancelled());
    MaskGuard mask = cx.mask();
    auto second = co_await joined->join(cx).outcome();
    *out = second.value();
  };
  auto waiting = bench.scope.spawn(bench.cx, joiner, unsafe_send(&target), unsafe_send(&seen)).value();
  bench.stepper.run_until_idle();
  waiting.abort();
  bench.stepper.run_until_idle();
  door.open();
  bench.stepper.run_until_idle();
  EXPECT_EQ(seen, 42) << "the first join consumed nothing";
}

TEST(Spawning, S5_abort_is_a_request_of_kind_user_and_abort_with_reason_names_one) {
  Bench bench;
  auto first = bench.scope.spawn(bench.cx, sleeper).value(),
       second = bench.scope.spawn(bench.cx, sleeper).value();
  bench.stepper.run_until_idle();
  first.abort();
  second.abort_with_reason(CancelReason::timeout("too slow"));
  EXPECT_EQ(bench.stepper.task(first.task_id())->cancel_reason->kind(), CancelKind::User);
  EXPECT_EQ(bench.stepper.task(second.task_id())->cancel_reason->message(), "too slow");
  bench.stepper.run_until_idle();
  Outcome<> outcome = bench.stepper.run(second.join(bench.cx));
  ASSERT_TRUE(outcome.is_cancelled());
  EXPECT_EQ(outcome.cancel_reason().kind(), CancelKind::Timeout);
}

TEST(Spawning, S5_two_tasks_cannot_wait_in_one_join) {
  Bench bench;
  Door door;
  auto target = bench.scope.spawn(bench.cx, at_door, unsafe_send(&door)).value();
  auto joiner = [](Cx cx, TaskHandle<>* joined, std::optional<Outcome<>>* out) -> Task<> {
    *out = co_await joined->join(cx).outcome();
  };
  std::optional<Outcome<>> one, two;
  (void)bench.scope.spawn(bench.cx, joiner, unsafe_send(&target), unsafe_send(&one)).value();
  bench.stepper.run_until_idle();
  (void)bench.scope.spawn(bench.cx, joiner, unsafe_send(&target), unsafe_send(&two)).value();
  bench.stepper.run_until_idle();
  ASSERT_TRUE(two);
  EXPECT_EQ(two->error().code(), ErrorCode::AlreadyJoining);
  door.open();
  bench.stepper.run_until_idle();
  ASSERT_TRUE(one);
  EXPECT_TRUE(one->is_ok());
}

// ---- S6: error types ----

struct Mine {
  std::string text;
  explicit Mine(std::string t) : text(std::move(t)) {}
  explicit Mine(const Error& error) : text("wrapped: " + error.message()) {}
  operator Error() const { return Error(ErrorCode::User, text); }
};

TEST(Spawning, S6_an_error_type_of_ones_own_carries_the_librarys_errors_and_reaches_the_policy) {
  Bench bench;
  auto child = [](Cx) -> Task<int, Mine> {
    co_await fail(Mine("mine"));
    co_return 1;
  };
  auto handle = bench.scope.spawn(bench.cx, child).value();
  EXPECT_EQ(bench.stepper.run(handle.join(bench.cx)).error().text, "mine");
  auto second = bench.stepper.run(handle.join(bench.cx));
  EXPECT_NE(second.error().text.find("wrapped: "), std::string::npos);
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    (void)scope.launch(cx, child);
    co_await cx.sleep(1h);
  };
  EXPECT_EQ(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).error().message(), "mine");
}

// ---- S7: blocking calls on workers ----

TEST(Spawning, S7_block_on_and_shutdown_on_a_worker_of_any_runtime_are_refused) {
  Runtime outer = Runtime::builder().workers(1).build(), other = Runtime::builder().workers(1).build();
  auto body = [&](Cx, Scope<>&) -> Task<> {
    auto nothing = [](Cx, Scope<>&) -> Task<> { co_return; };
    for (Runtime* runtime : {&outer, &other}) {
      Outcome<> refused = runtime->block_on(nothing);
      EXPECT_TRUE(refused.is_err());
      EXPECT_EQ(refused.error().code(), ErrorCode::BlockingInTask);
      EXPECT_NE(refused.error().message().find("co_await quiesce::region"), std::string::npos);
      try {
        (void)runtime->shutdown(1s);
        ADD_FAILURE() << "shutdown on a worker";
      } catch (const UsageError& error) { EXPECT_EQ(error.error().code(), ErrorCode::BlockingInTask); }
    }
    co_return;
  };
  EXPECT_TRUE(outer.block_on(body).is_ok());
  EXPECT_TRUE(other.block_on(body).is_ok());
}

TEST(SpawningDeathTest, S7_destroying_a_runtime_on_a_worker_aborts_and_says_so) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Runtime outer = Runtime::builder().workers(1).build();
        std::optional<Runtime> inner = Runtime::builder().workers(1).build();
        auto body = [&](Cx, Scope<>&) -> Task<> {
          inner.reset();
          co_return;
        };
        (void)outer.block_on(body);
      },
      "a Runtime was destroyed on a worker");
}

TEST(Spawning, S7_several_block_ons_run_at_once_each_in_a_root_of_its_own) {
  Runtime runtime = Runtime::builder().workers(2).build();
  std::latch both(2);
  std::optional<RegionId> ids[2];
  auto run = [&](int which) {
    auto body = [&](Cx cx, Scope<>&) -> Task<> {
      ids[which] = cx.region_id();
      both.arrive_and_wait();
      co_return;
    };
    EXPECT_TRUE(runtime.block_on(body).is_ok());
  };
  std::thread first(run, 0), second(run, 1);
  first.join();
  second.join();
  EXPECT_NE(ids[0], ids[1]);
}

TEST(Spawning, S7_after_shutdown_block_on_is_refused) {
  Runtime runtime = Runtime::builder().workers(1).build();
  EXPECT_TRUE(runtime.shutdown(1s).drained);
  auto nothing = [](Cx, Scope<>&) -> Task<> { co_return; };
  Outcome<> refused = runtime.block_on(nothing);
  ASSERT_TRUE(refused.is_err());
  EXPECT_EQ(refused.error().code(), ErrorCode::RuntimeShutdown);
}

// ---- S8: logical ids ----

TEST(Spawning, S8_paths_are_counted_per_run_from_the_parent) {
  auto paths = [] {
    Lines lines;
    Bench bench;
    auto child = [](Cx cx, Scope<> scope, Lines* out, int depth) -> Task<> {
      out->push_back(cx.path());
      if (depth == 0) co_return;
      auto leaf = [](Cx mine, Lines* to) -> Task<> {
        to->push_back(mine.path());
        co_return;
      };
      (void)scope.spawn(cx, leaf, unsafe_send(out)).value();
      (void)scope.spawn(cx, leaf, unsafe_send(out)).value();
      auto body = [out](Cx inner, Scope<>&) -> Task<> {
        out->push_back(inner.path());
        co_return;
      };
      co_await region(cx, FailFast{}, body);
    };
    (void)bench.scope.spawn(bench.cx, child, bench.scope, unsafe_send(&lines), 1).value();
    (void)bench.scope.spawn(bench.cx, child, bench.scope, unsafe_send(&lines), 0).value();
    bench.stepper.run_until_idle();
    std::sort(lines.begin(), lines.end());  // they do not depend on who was stepped first
    return lines;
  };
  Lines first = paths();
  EXPECT_EQ(first, (Lines{"0.0.0", "0.0.0.0", "0.0.0.1", "0.0.0.2.0", "0.0.1"}));
  EXPECT_EQ(paths(), first) << "whatever ran before";
}

TEST(Spawning, S8_no_two_tasks_of_a_run_share_a_logical_id) {
  Bench bench;
  std::vector<std::pair<std::string, LogicalId>> seen;
  auto note = [](Cx cx, std::vector<std::pair<std::string, LogicalId>>* out) -> Task<> {
    out->emplace_back(cx.path(), cx.logical_id());
    co_return;
  };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    seen.emplace_back(cx.path(), cx.logical_id());
    for (int i = 0; i < 2; ++i) {
      (void)scope.spawn(cx, note, unsafe_send(&seen)).value();
      auto finalizer = [&](Cx mine) -> Task<> {
        seen.emplace_back(mine.path(), mine.logical_id());
        co_return;
      };
      EXPECT_TRUE(scope.defer_async(finalizer));
    }
    co_return;
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).is_ok());
  ASSERT_EQ(seen.size(), 5u);  // a body, two children, two finalizers
  for (std::size_t i = 0; i < seen.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      EXPECT_NE(seen[i].first, seen[j].first);
      EXPECT_NE(seen[i].second, seen[j].second);
    }
  }
}

TEST(Spawning, S8_messages_name_paths_never_slab_ids) {
  auto messages = [] {
    Lines lines;
    Bench bench({}, Budget::infinite(), {.max_tasks = 4});
    auto say = [&](const Error& error) { lines.push_back(error.message()); };
    Door door;
    auto held = bench.scope.spawn(bench.cx, at_door, unsafe_send(&door)).value();
    auto body = [&](Cx cx, Scope<>&) -> Task<> {
      auto inner = [](Cx, Scope<>&) -> Task<> { co_return; };
      say((co_await bench.scope.region(cx, FailFast{}, inner).outcome()).error());
    };
    auto failing_region = [&](Cx cx, Scope<>& scope) -> Task<> {
      (void)scope.launch(cx, failing, std::string("e"));
      auto slept = co_await cx.sleep(1h).outcome();
      lines.push_back(slept.cancel_reason().message());
    };
    (void)bench.run(bench.scope.region(bench.cx, FailFast{}, body));
    (void)bench.run(bench.scope.region(bench.cx, FailFast{}, failing_region));
    bench.stepper.run_until_idle();
    auto thief = [](Cx, Cx foreign, Lines* out) -> Task<> {
      auto refused = foreign.checkpoint();
      out->push_back(refused.error().message());
      co_return;
    };
    Cx foreign = bench.cx;
    (void)bench.scope.spawn(bench.cx, thief, foreign, unsafe_send(&lines)).value();
    bench.stepper.run_until_idle();
    bench.stepper.begin_close(bench.root);
    say(bench.scope.spawn(bench.cx, answer, 1).error());
    door.open();
    bench.stepper.run_until_idle();
    say(bench.scope.spawn(bench.cx, answer, 1).error());
    return lines;
  };
  Lines first = messages();
  ASSERT_EQ(first.size(), 5u);
  {  // Other records, other generations.
    Bench between;
    for (int i = 0; i < 100; ++i) (void)between.scope.spawn(between.cx, answer, i).value();
    between.stepper.run_until_idle();
    EXPECT_EQ(messages(), first);
  }
}

}  // namespace
}  // namespace quiesce::semantics
