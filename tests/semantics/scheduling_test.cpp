// Rules H1 to H4: lanes, their bounds, local tasks, the cooperative budget.
#include <atomic>
#include <latch>
#include <set>
#include <thread>

#include "semantics/support.hpp"

namespace quiesce::semantics {
namespace {

Task<> note(Cx, Lines* lines, std::string name) {
  lines->push_back(name);
  co_return;
}

TEST(Scheduling, H1_cancel_before_timed_before_ready) {
  StepperOptions options;
  Stepper s(options);
  RegionId plain = s.create_root_region();
  RegionId timed = s.create_root_region(Budget::infinite().with_deadline(Time::from_nanos(1'000'000'000)));
  Lines order;
  auto woken = [&order](Cx cx) -> Task<> {
    (void)co_await cx.sleep(1h).outcome();
    order.push_back("cancelled");
  };
  auto sleeper_handle = s.scope(plain).spawn(s.cx(plain), UnsafeSend(woken)).value();
  s.run_until_idle();
  auto ready = s.scope(plain).spawn(s.cx(plain), note, unsafe_send(&order), std::string("ready")).value();
  auto soon = s.scope(timed).spawn(s.cx(timed), note, unsafe_send(&order), std::string("timed")).value();
  sleeper_handle.abort();
  s.run_until_idle();
  EXPECT_EQ(order, (Lines{"cancelled", "timed", "ready"}));
}

TEST(Scheduling, H1_timed_lane_is_earliest_deadline_first_with_ties_by_logical_id) {
  Stepper s;
  Lines order;
  std::vector<TaskHandle<>> handles;
  struct Place {
    const char* name;
    std::int64_t deadline;
  };
  for (Place place : {Place{"late", 3'000}, Place{"early", 1'000}, Place{"middle", 2'000}}) {
    RegionId root = s.create_root_region(Budget::infinite().with_deadline(Time::from_nanos(place.deadline)));
    handles.push_back(s.scope(root).spawn(s.cx(root), note, unsafe_send(&order), std::string(place.name)).value());
  }
  RegionId tied = s.create_root_region(Budget::infinite().with_deadline(Time::from_nanos(500)));
  auto spawn_tied = [&](const char* name) { return s.scope(tied).spawn(s.cx(tied), note, unsafe_send(&order), std::string(name)).value(); };
  auto a = spawn_tied("tie a");
  auto b = spawn_tied("tie b");
  s.run_until_idle();
  // Which of the two tied tasks is first is decided by their logical ids, and so the same in every run.
  Lines tie_order(order.begin(), order.begin() + 2);
  EXPECT_EQ(std::set<std::string>(tie_order.begin(), tie_order.end()), (std::set<std::string>{"tie a", "tie b"}));
  EXPECT_EQ(Lines(order.begin() + 2, order.end()), (Lines{"early", "middle", "late"}));
  Lines again;
  {
    Stepper second;
    for (int i = 0; i < 3; ++i) second.create_root_region();
    RegionId root = second.create_root_region(Budget::infinite().with_deadline(Time::from_nanos(500)));
    auto first = second.scope(root).spawn(second.cx(root), note, unsafe_send(&again), std::string("tie a")).value();
    auto other = second.scope(root).spawn(second.cx(root), note, unsafe_send(&again), std::string("tie b")).value();
    second.run_until_idle();
  }
  EXPECT_EQ(again, tie_order);
}

TEST(Scheduling, H1_a_task_is_in_one_lane_only) {
  Bench<> bench;
  auto handle = bench.spawn([](Cx cx) -> Task<> { co_await cx.yield(); });
  handle.abort();  // it is queued in the ready lane: the request does not queue it a second time
  handle.abort();
  EXPECT_EQ(bench.stepper.runnable().size(), 1u);
  bench.stepper.run_until_idle();
  EXPECT_TRUE(handle.is_finished());
}

TEST(Scheduling, H2_cancel_streak_is_bounded_and_the_counters_prove_it) {
  constexpr std::uint32_t limit = 4;
  Runtime rt = Runtime::builder().workers(1).cancel_streak_limit(limit).build();
  auto body = [](Cx cx, Scope<CollectAll>& scope) -> Task<int> {
    auto woken = [](Cx inner) -> Task<> {
      for (;;) co_await inner.sleep(std::chrono::hours(1));
    };
    auto working = [](Cx inner) -> Task<int> {
      for (int i = 0; i < 50; ++i) co_await inner.yield();
      co_return 1;
    };
    std::vector<TaskHandle<>> sleepers;
    std::vector<TaskHandle<int>> workers;
    for (int i = 0; i < 200; ++i) sleepers.push_back(co_await scope.spawn(cx, woken));
    for (int i = 0; i < 20; ++i) workers.push_back(co_await scope.spawn(cx, working));
    co_await cx.yield();
    for (auto& handle : sleepers) handle.abort();  // two hundred wake-ups in the cancel lane at once
    int sum = 0;
    for (auto& handle : workers) sum += co_await handle.join(cx);
    co_return sum;
  };
  EXPECT_EQ(rt.block_on<CollectAll>(body).value(), 20);
  RuntimeStats stats = rt.stats();
  EXPECT_GE(stats.workers[0].cancel, 200u);
  EXPECT_EQ(stats.workers[0].cancel_streak_max, limit);  // reached, and never passed
}

TEST(Scheduling, H2_timed_and_woken_tasks_do_not_starve_ready_ones) {
  constexpr std::uint32_t limit = 4;
  Runtime rt = Runtime::builder().workers(1).cancel_streak_limit(limit).build();
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    auto done = std::make_shared<std::atomic<bool>>(false);
    // Each joins a child, which wakes it through the LIFO slot: a chain that would never let go of the worker.
    auto chain = [](Cx inner, Scope<> own, std::shared_ptr<std::atomic<bool>> stop) -> Task<> {
      auto nothing = [](Cx) -> Task<> { co_return; };
      while (!stop->load()) {
        auto child = co_await own.spawn(inner, nothing);
        co_await child.join(inner);
      }
    };
    auto plain = [](Cx inner, std::shared_ptr<std::atomic<bool>> stop) -> Task<int> {
      for (int i = 0; i < 20; ++i) co_await inner.yield();
      stop->store(true);
      co_return 1;
    };
    auto starving = co_await scope.spawn(cx, plain, done);
    auto greedy = co_await scope.spawn(cx, chain, scope, done);
    int one = co_await starving.join(cx);
    co_await greedy.join(cx);
    co_return one;
  };
  EXPECT_EQ(rt.block_on(body).value(), 1);
  RuntimeStats stats = rt.stats();
  EXPECT_GT(stats.workers[0].lifo, 0u);
  EXPECT_GT(stats.workers[0].preferred_streak_max, 0u);
  EXPECT_LE(stats.workers[0].preferred_streak_max, limit);
}

TEST(Scheduling, H3_local_tasks_are_never_stolen) {
  Runtime rt = Runtime::builder().workers(4).build();
  std::atomic<int> strayed{0};
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto pinned = [&](Cx inner) -> Task<> {
      const std::thread::id home = std::this_thread::get_id();
      for (int i = 0; i < 300; ++i) {
        co_await inner.yield();
        if (std::this_thread::get_id() != home) strayed.fetch_add(1);
      }
    };
    std::vector<TaskHandle<>> handles;
    for (int i = 0; i < 32; ++i) handles.push_back(co_await scope.spawn_local(cx, pinned));
    for (auto& handle : handles) co_await handle.join(cx);
  };
  Outcome<> outcome = rt.block_on(body);
  EXPECT_TRUE(outcome.is_ok()) << outcome;
  EXPECT_EQ(strayed.load(), 0);
}

/// Awaiting it hands the handle out, so that a test can wake the task as often as it likes while it still runs.
struct WakeWhileRunning {
  int times;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) const {
    for (int i = 0; i < times; ++i) waiter.resume();
  }
  void await_resume() const noexcept {}
};

TEST(Scheduling, H3_wakes_while_running_collapse) {
  Bench<> bench;
  auto handle = bench.spawn([](Cx cx) -> Task<int> {
    WakeWhileRunning thrice{3};
    co_await thrice;
    co_await cx.yield();
    co_return 1;
  });
  EXPECT_EQ(bench.stepper.step(handle.task_id()), StepResult::pending);
  EXPECT_EQ(bench.stepper.runnable().size(), 1u);  // queued once, by its yield
  EXPECT_EQ(bench.stepper.step(handle.task_id()), StepResult::done);
  EXPECT_TRUE(bench.stepper.runnable().empty());
}

TEST(Scheduling, H4_a_task_that_never_waits_gives_way) {
  StepperOptions options;
  options.poll_budget = 10;
  Bench<> bench(options);
  auto nothing = []() -> Task<> { co_return; };
  auto handle = bench.spawn([nothing](Cx) -> Task<int> {
    int count = 0;
    for (int i = 0; i < 95; ++i) {
      co_await nothing();
      ++count;
    }
    co_return count;
  });
  std::size_t steps = 0;
  while (bench.stepper.step(handle.task_id()) == StepResult::pending) ++steps;
  EXPECT_GE(steps, 9u);  // at most ten awaits a step
  EXPECT_EQ(bench.stepper.run(handle.join(bench.cx)).value(), 95);
}

TEST(Scheduling, H4_others_run_beside_a_task_that_is_always_ready) {
  Runtime rt = Runtime::builder().workers(1).poll_budget(16).build();
  std::atomic<bool> stop{false};
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto nothing = []() -> Task<> { co_return; };
    auto spinning = [&stop, nothing](Cx) -> Task<> {
      while (!stop.load()) co_await nothing();
    };
    auto ending = [&stop](Cx inner) -> Task<> {
      co_await inner.yield();
      stop.store(true);
    };
    auto a = co_await scope.spawn_local(cx, spinning);
    auto b = co_await scope.spawn_local(cx, ending);
    co_await a.join(cx);
    co_await b.join(cx);
  };
  Outcome<> outcome = rt.block_on(body);
  EXPECT_TRUE(outcome.is_ok()) << outcome;
}

}  // namespace
}  // namespace quiesce::semantics
