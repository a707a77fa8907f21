// Rules H1 to H4, and T1.
#include <algorithm>
#include <atomic>
#include <functional>
#include <latch>
#include <thread>

#include "support.hpp"

namespace quiesce::semantics {
namespace {

// ---- H1: lanes ----

TEST(Scheduling, H1_cancel_before_timed_before_ready) {
  Bench bench;
  RegionId late_root = bench.stepper.create_root_region(Budget::infinite().with_deadline(Time::zero() + 2h));
  RegionId early_root = bench.stepper.create_root_region(Budget::infinite().with_deadline(Time::zero() + 1h));
  Scope<> late = bench.stepper.scope(late_root), early = bench.stepper.scope(early_root);
  auto waiting = bench.scope.spawn(bench.cx, sleeper).value();
  bench.stepper.run_until_idle();
  auto ready = bench.scope.spawn(bench.cx, answer, 1).value();
  auto timed_late = late.spawn(bench.cx, answer, 2).value();
  auto timed_early = early.spawn(bench.cx, answer, 3).value();
  waiting.abort();
  EXPECT_EQ(bench.stepper.runnable(),
            (std::vector{waiting.task_id(), timed_early.task_id(), timed_late.task_id(), ready.task_id()}));
}

TEST(Scheduling, H1_ties_of_the_timed_lane_go_by_logical_id) {
  auto order = [](bool reversed) {
    Bench bench({}, Budget::infinite().with_deadline(Time::zero() + 1h));
    Lines lines;
    auto child = [](Cx cx, Lines* out) -> Task<> {
      out->push_back(cx.path());
      co_return;
    };
    std::vector<TaskHandle<>> handles;
    for (int i = 0; i < 4; ++i)
      handles.push_back(bench.scope.spawn(bench.cx, child, unsafe_send(&lines)).value());
    if (reversed) std::reverse(handles.begin(), handles.end());
    bench.stepper.run_until_idle();
    return lines;
  };
  EXPECT_EQ(order(false).size(), 4u);
  EXPECT_EQ(order(false), order(true));
}

TEST(Scheduling, H1_the_steppers_ready_and_cancel_lanes_are_first_in_first_out) {
  Bench bench;
  std::vector<TaskHandle<>> handles;
  std::vector<TaskId> ids;
  for (int i = 0; i < 4; ++i) {
    handles.push_back(bench.scope.spawn(bench.cx, sleeper).value());
    ids.push_back(handles.back().task_id());
  }
  EXPECT_EQ(bench.stepper.runnable(), ids);
  bench.stepper.run_until_idle();
  std::reverse(handles.begin(), handles.end());
  std::reverse(ids.begin(), ids.end());
  for (auto& handle : handles) handle.abort();
  EXPECT_EQ(bench.stepper.runnable(), ids);
}

TEST(Scheduling, H1_a_task_is_in_one_lane_at_a_time) {
  Bench bench;
  Door door;
  auto task = [](Cx cx, Door* held) -> Task<> {
    (void)co_await cx.sleep(1s).outcome();
    co_await *held;
  };
  auto handle = bench.scope.spawn(bench.cx, task, unsafe_send(&door)).value();
  auto times = [&] {
    auto runnable = bench.stepper.runnable();
    return std::count(runnable.begin(), runnable.end(), handle.task_id());
  };
  EXPECT_EQ(times(), 1);
  bench.stepper.run_until_idle();
  EXPECT_EQ(times(), 0);
  bench.stepper.advance(1s);  // the timer wins
  handle.abort();             // the request comes second: it does not queue the task again
  handle.abort();
  EXPECT_EQ(times(), 1);
  bench.stepper.step(handle.task_id());
  EXPECT_EQ(times(), 0);
  door.open();
  EXPECT_EQ(times(), 1);
  bench.stepper.run_until_idle();
}

// ---- H2: bounded fairness ----

TEST(Scheduling, H2_a_cancel_storm_does_not_starve_ready_tasks) {
  constexpr std::uint32_t limit = 4;
  Runtime runtime = Runtime::builder().workers(1).cancel_streak_limit(limit).build();
  int asleep = 0, cancelled_before = 0, ran_after = -1;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto victim = [](Cx mine, int* sleeping, int* count) -> Task<> {
      ++*sleeping;
      (void)co_await mine.sleep(1h).outcome();
      ++*count;
    };
    std::vector<TaskHandle<>> victims;
    for (int i = 0; i < 500; ++i)
      victims.push_back(scope.spawn(cx, victim, unsafe_send(&asleep), unsafe_send(&cancelled_before)).value());
    while (asleep < 500) co_await cx.yield();
    auto ready = [](Cx, int* count, int* out) -> Task<> {
      *out = *count;
      co_return;
    };
    for (auto& each : victims) each.abort();
    (void)scope.spawn(cx, ready, unsafe_send(&cancelled_before), unsafe_send(&ran_after)).value();
    auto outcomes = co_await scope.join_all(cx, std::move(victims));
    EXPECT_EQ(outcomes.size(), 500u);
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
  EXPECT_EQ(cancelled_before, 500);
  ASSERT_GE(ran_after, 0);
  EXPECT_LE(ran_after, static_cast<int>(limit)) << "dispatched within limit + 1";
  auto worker = runtime.stats().workers.at(0);
  EXPECT_GE(worker.cancel, 500u);
  EXPECT_GT(worker.cancel_streak_max, 0u);
  EXPECT_LE(worker.cancel_streak_max, limit);
}

/// A chain of tasks on one worker, each of which is cancelled by the one before, so that the cancel lane is never empty. The first runs
/// `outside` on a thread of its own; gives after how many links `arrived` was set.
template <class Prepare>
int links_until(std::atomic<bool>& arrived, std::uint32_t limit, Prepare prepare) {
  constexpr int links = 200;
  Runtime runtime = Runtime::builder().workers(1).cancel_streak_limit(limit).build();
  struct Chain {
    std::vector<TaskHandle<>> handles;
    std::function<void()> outside;
    std::atomic<bool>* arrived;
    int asleep = 0, seen_at = links;
  } chain;
  chain.arrived = &arrived;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto link = [](Cx mine, Chain* all, int number) -> Task<> {
      ++all->asleep;
      (void)co_await mine.sleep(1h).outcome();
      if (number == 0) std::thread(all->outside).join();  // what it wakes is queued when this returns
      if (*all->arrived) all->seen_at = std::min(all->seen_at, number);
      if (number + 1 < links) all->handles[static_cast<std::size_t>(number) + 1].abort();
    };
    chain.outside = prepare(cx, scope);
    for (int i = 0; i < links; ++i)
      chain.handles.push_back(scope.spawn(cx, link, unsafe_send(&chain), i).value());
    while (chain.asleep < links) co_await cx.yield();
    chain.handles.front().abort();
    co_await chain.handles.back().join(cx);
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
  EXPECT_LE(runtime.stats().workers.at(0).cancel_streak_max, limit);
  return chain.seen_at;
}

TEST(Scheduling, H2_a_cancel_storm_does_not_starve_a_local_task_that_another_thread_woke) {
  std::atomic<bool> arrived{false};
  auto prepare = [&](Cx cx, Scope<>& scope) -> std::function<void()> {
    auto local = [&arrived](Cx mine) -> Task<> {
      (void)co_await mine.sleep(1h).outcome();
      arrived = true;
    };
    auto handle = std::make_shared<TaskHandle<>>(scope.spawn_local(cx, local).value());
    return [handle] { handle->abort(); };
  };
  EXPECT_LE(links_until(arrived, 4, prepare), 5);
}

TEST(Scheduling, H2_a_cancel_storm_does_not_starve_a_task_that_another_thread_spawned) {
  std::atomic<bool> arrived{false};
  auto prepare = [&](Cx cx, Scope<>& scope) -> std::function<void()> {
    return [&arrived, cx, scope] {
      auto task = [](Cx, std::atomic<bool>* out) -> Task<> {
        *out = true;
        co_return;
      };
      EXPECT_TRUE(scope.launch(cx, task, unsafe_send(&arrived)));
    };
  };
  EXPECT_LE(links_until(arrived, 4, prepare), 5);
}

TEST(Scheduling, H2_timed_and_lifo_dispatches_do_not_starve_the_ready_queue) {
  constexpr std::uint32_t limit = 4;
  Runtime runtime = Runtime::builder().workers(1).cancel_streak_limit(limit).build();
  bool ran = false;
  int passes_before = 0;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    // Two tasks that wake each other through the LIFO slot for ever would keep the third out.
    auto relay = [](Cx mine, Scope<> own, bool* stop, int* passes) -> Task<> {
      while (!*stop) {
        auto link = [](Cx, int* count) -> Task<> {
          ++*count;
          co_return;
        };
        auto handle = own.spawn(mine, link, unsafe_send(passes)).value();
        co_await handle.join(mine);
      }
    };
    auto ready = [](Cx mine, bool* out) -> Task<> {
      co_await mine.yield();  // to the end of the ready queue
      *out = true;
    };
    (void)scope.spawn(cx, relay, scope, unsafe_send(&ran), unsafe_send(&passes_before)).value();
    (void)scope.spawn(cx, ready, unsafe_send(&ran)).value();
    co_return;
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
  EXPECT_TRUE(ran);
  auto worker = runtime.stats().workers.at(0);
  EXPECT_LE(worker.preferred_streak_max, limit);
  EXPECT_LE(passes_before, 2 * static_cast<int>(limit) + 64);
}

TEST(Scheduling, H2_a_join_that_steps_its_task_at_once_is_a_dispatch_and_costs_an_await) {
  Runtime runtime = Runtime::builder().workers(1).poll_budget(8).build();
  int joined = 0, seen = 0;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto other = [](Cx, const int* count, int* out) -> Task<> {
      *out = *count;
      co_return;
    };
    auto empty = [](Cx) -> Task<> { co_return; };
    auto watcher = scope.spawn(cx, other, unsafe_send(&joined), unsafe_send(&seen)).value();
    for (; joined < 1000; ++joined) {
      auto handle = scope.spawn(cx, empty).value();  // takes the slot: the watcher goes to the ready queue
      co_await handle.join(cx);
    }
    co_await watcher.join(cx);
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
  EXPECT_LE(seen, 20) << "a joiner kept the worker beyond its budget";
  auto worker = runtime.stats().workers.at(0);
  EXPECT_GE(worker.lifo, 900u);
  EXPECT_GE(worker.dispatched, 1001u);
}

TEST(Scheduling, H2_joins_that_step_their_tasks_at_once_nest_a_few_deep_only) {
  // A chain of tasks, each spawning and joining the next: a stack for each would be too much.
  struct Chain {
    static Task<int> link(Cx cx, Scope<> scope, int left) {
      if (left == 0) co_return 0;
      auto next = scope.spawn(cx, link, scope, left - 1).value();
      co_return 1 + co_await next.join(cx);
    }
  };
  static constexpr int length = 100'000;
  Runtime runtime = Runtime::builder().workers(1).build();
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    auto first = scope.spawn(cx, Chain::link, scope, length).value();
    co_return co_await first.join(cx);
  };
  EXPECT_EQ(runtime.block_on(body).value(), length);
}

TEST(Scheduling, H1_a_cancelled_local_task_goes_before_others_whoever_cancelled_it) {
  Runtime runtime = Runtime::builder().workers(1).build();
  Lines lines;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto victim = [&](Cx mine) -> Task<> {
      (void)co_await mine.sleep(1h).outcome();
      lines.push_back("cancelled");
    };
    auto other = [&](Cx) -> Task<> {
      lines.push_back("ready");
      co_return;
    };
    auto handle = scope.spawn_local(cx, victim).value();
    while (handle.is_finished() || runtime.snapshot().text().find("waits for sleep") == std::string::npos)
      co_await cx.yield();
    auto ready = scope.spawn_local(cx, other).value();
    std::thread canceller([&] { handle.abort(); });
    canceller.join();
    co_await handle.join(cx);
    co_await ready.join(cx);
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
  EXPECT_EQ(lines, (Lines{"cancelled", "ready"}));
}

TEST(Scheduling, H2_the_injector_is_looked_at_while_a_worker_is_busy) {
  Runtime runtime = Runtime::builder().workers(1).build();
  std::atomic<bool> arrived{false};
  std::latch spinning(1);
  std::thread other([&] {
    spinning.wait();
    auto body = [&](Cx, Scope<>&) -> Task<> {  // comes in through the injector
      arrived = true;
      co_return;
    };
    EXPECT_TRUE(runtime.block_on(body).is_ok());
  });
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto spinner = [](Cx mine, std::atomic<bool>* stop) -> Task<> {
      while (!*stop) co_await mine.yield();
    };
    for (int i = 0; i < 4; ++i) (void)scope.spawn(cx, spinner, unsafe_send(&arrived)).value();
    spinning.count_down();
    co_return;
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
  other.join();
  EXPECT_GT(runtime.stats().workers.at(0).injected, 0u);
}

TEST(Scheduling, H2_the_stepper_looks_at_ready_tasks_when_no_request_is_pending) {
  Bench bench;
  Lines lines;
  auto victim = [](Cx cx, Lines* out) -> Task<> {
    (void)co_await cx.sleep(1h).outcome();
    out->push_back("cancelled");
  };
  auto ready = [](Cx, Lines* out) -> Task<> {
    out->push_back("ready");
    co_return;
  };
  auto first = bench.scope.spawn(bench.cx, victim, unsafe_send(&lines)).value();
  bench.stepper.run_until_idle();
  auto second = bench.scope.spawn(bench.cx, ready, unsafe_send(&lines)).value();
  first.abort();
  bench.stepper.run_until_idle();
  EXPECT_EQ(lines, (Lines{"cancelled", "ready"}));
}

// ---- H3: wakes ----

TEST(Scheduling, H3_local_tasks_are_never_stolen) {
  Runtime runtime = Runtime::builder().workers(3).build();
  std::atomic<int> strayed{0};
  std::latch held(1);
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    const std::thread::id home = std::this_thread::get_id();
    for (int i = 0; i < 50; ++i) {
      auto local = [&strayed, home](Cx) -> Task<> {
        if (std::this_thread::get_id() != home) ++strayed;
        co_return;
      };
      EXPECT_TRUE(scope.spawn_local(cx, local));
    }
    // This step keeps the worker until the others have had time to steal what can be stolen.
    auto runs_elsewhere = [](Cx, std::latch* latch) -> Task<> {
      latch->count_down();
      co_return;
    };
    EXPECT_TRUE(scope.spawn(cx, runs_elsewhere, unsafe_send(&held)));
    held.wait();
    co_return;
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
  EXPECT_EQ(strayed.load(), 0);
}

TEST(Scheduling, H3_a_wake_while_running_reschedules_once) {
  Bench bench;
  int resumed = 0;
  /// Wakes itself before it has suspended.
  struct Eager {
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> handle) const { handle.resume(); }
    void await_resume() const {}
  };
  auto task = [](Cx, int* count) -> Task<> {
    for (int i = 0; i < 3; ++i) {
      co_await Eager{};
      ++*count;
    }
  };
  auto handle = bench.scope.spawn(bench.cx, task, unsafe_send(&resumed)).value();
  EXPECT_EQ(bench.stepper.run_until_idle(), 1u) << "it never slept";
  EXPECT_EQ(resumed, 3);
}

TEST(Scheduling, H3_duplicate_wakes_collapse) {
  Bench bench;
  int steps = 0;
  auto target = bench.scope.spawn(bench.cx, sleeper).value();
  auto task = [](Cx cx, TaskHandle<>* joined, int* count) -> Task<> {
    (void)co_await joined->join(cx).outcome();
    ++*count;
    co_await cx.sleep(1h);
  };
  auto handle = bench.scope.spawn(bench.cx, task, unsafe_send(&target), unsafe_send(&steps)).value();
  bench.stepper.run_until_idle();
  target.abort();
  bench.stepper.step(target.task_id());  // the join is won by the completion
  for (int i = 0; i < 3; ++i) handle.abort();
  auto runnable = bench.stepper.runnable();
  EXPECT_EQ(std::count(runnable.begin(), runnable.end(), handle.task_id()), 1);
  bench.stepper.run_until_idle();
  EXPECT_EQ(steps, 1);
}

TEST(Scheduling, H3_wakes_from_many_threads_are_each_seen) {
  Runtime runtime = Runtime::builder().workers(3).build();
  constexpr int tasks = repeated(2000);
  std::atomic<int> seen{0};
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto child = [](Cx mine) -> Task<> { co_await mine.yield(); };
    auto joiner = [](Cx mine, TaskHandle<> joined, std::atomic<int>* count) -> Task<> {
      co_await joined.join(mine);
      ++*count;
    };
    for (int i = 0; i < tasks; ++i) {
      auto handle = scope.spawn(cx, child).value();
      (void)scope.spawn(cx, joiner, std::move(handle), unsafe_send(&seen)).value();
      if (i % 32 == 0) co_await cx.yield();
    }
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
  EXPECT_EQ(seen.load(), tasks);
}

// ---- H4: the cooperative budget ----

template <class Busy>
void expect_yields(Busy busy, const char* what) {
  Bench bench(StepperOptions{.poll_budget = 8});
  int rounds = 0;
  auto greedy = bench.scope.spawn(bench.cx, busy, bench.scope, unsafe_send(&rounds)).value();
  EXPECT_EQ(bench.stepper.step(greedy.task_id()), StepResult::pending) << what << " ran through";
  EXPECT_GT(rounds, 0) << what;
  EXPECT_LE(rounds, 8) << what;
  EXPECT_TRUE(bench.stepper.run(greedy.join(bench.cx)).is_ok()) << what;
  EXPECT_EQ(rounds, 100) << what;
}

Task<> nothing() { co_return; }

TEST(Scheduling, H4_an_always_ready_task_yields) {
  auto awaits_children = [](Cx, Scope<>, int* rounds) -> Task<> {
    for (; *rounds < 100; ++*rounds) co_await nothing();
  };
  auto awaits_outcomes = [](Cx, Scope<>, int* rounds) -> Task<> {
    for (; *rounds < 100; ++*rounds) co_await Outcome<>::ok();
  };
  auto awaits_checkpoints = [](Cx cx, Scope<>, int* rounds) -> Task<> {
    for (; *rounds < 100; ++*rounds) co_await cx.checkpoint();
  };
  auto awaits_expected = [](Cx, Scope<>, int* rounds) -> Task<> {
    for (; *rounds < 100; ++*rounds) co_await std::expected<void, Error>();
  };
  auto awaits_spawns = [](Cx cx, Scope<> scope, int* rounds) -> Task<> {
    for (; *rounds < 100; ++*rounds) (void)co_await scope.spawn(cx, answer, 1);
  };
  auto awaits_joins = [](Cx cx, Scope<> scope, int* rounds) -> Task<> {
    std::vector<TaskHandle<int>> handles;
    for (int i = 0; i < 100; ++i) handles.push_back(scope.spawn(cx, answer, 1).value());
    co_await cx.sleep(1s);
    for (auto& handle : handles) {
      (void)co_await handle.join(cx);
      ++*rounds;
    }
  };
  auto awaits_foreign = [](Cx, Scope<>, int* rounds) -> Task<> {
    for (; *rounds < 100; ++*rounds) co_await std::suspend_never{};
  };
  expect_yields(awaits_children, "children");
  expect_yields(awaits_outcomes, "outcomes");
  expect_yields(awaits_checkpoints, "checkpoints");
  expect_yields(awaits_expected, "expected");
  expect_yields(awaits_spawns, "spawns");
  expect_yields(awaits_foreign, "foreign awaitables");
  Bench bench(StepperOptions{.poll_budget = 8});
  int rounds = 0;
  auto greedy = bench.scope.spawn(bench.cx, awaits_joins, bench.scope, unsafe_send(&rounds)).value();
  bench.stepper.run_until_idle();
  bench.stepper.advance(1s);
  EXPECT_EQ(bench.stepper.step(greedy.task_id()), StepResult::pending);
  EXPECT_LE(rounds, 8);
  EXPECT_TRUE(bench.stepper.run(greedy.join(bench.cx)).is_ok());
}

TEST(Scheduling, H4_what_yields_goes_behind_its_neighbours) {
  Bench bench(StepperOptions{.poll_budget = 4});
  Lines lines;
  auto greedy = [](Cx, Lines* out) -> Task<> {
    for (int i = 0; i < 10; ++i) co_await nothing();
    out->push_back("greedy");
  };
  auto modest = [](Cx, Lines* out) -> Task<> {
    out->push_back("modest");
    co_return;
  };
  (void)bench.scope.spawn(bench.cx, greedy, unsafe_send(&lines)).value();
  (void)bench.scope.spawn(bench.cx, modest, unsafe_send(&lines)).value();
  bench.stepper.run_until_idle();
  EXPECT_EQ(lines, (Lines{"modest", "greedy"}));
}

// ---- T1: the context's clock ----

TEST(Scheduling, T1_time_is_virtual_in_the_stepper) {
  Bench bench;
  EXPECT_EQ(bench.cx.now(), Time::zero());
  auto task = [](Cx cx) -> Task<Duration> {
    Time begun = cx.now();
    for (int i = 0; i < 1000; ++i) co_await cx.yield();
    EXPECT_EQ(cx.now(), begun) << "work takes no virtual time";
    co_await cx.sleep(24h);
    co_return cx.now() - begun;
  };
  auto handle = bench.scope.spawn(bench.cx, task).value();
  EXPECT_EQ(bench.stepper.run(handle.join(bench.cx)).value(), 24h);
}

TEST(Scheduling, T1_time_is_monotonic_in_production) {
  Runtime runtime = Runtime::builder().workers(2).build();
  auto body = [](Cx cx, Scope<>&) -> Task<> {
    Time last = cx.now();
    for (int i = 0; i < 200; ++i) {
      co_await cx.yield();
      EXPECT_GE(cx.now(), last);
      last = cx.now();
    }
    Time until = last + 2ms;
    co_await cx.sleep_until(until);
    EXPECT_GE(cx.now(), until) << "a sleep never ends early";
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
}

}  // namespace
}  // namespace quiesce::semantics
