// Storms on all cores: spawn, cancel and close racing each other, with every count checked at the end.
#include <gtest/gtest.h>
#include <quiesce/quiesce.hpp>

#include <atomic>
#include <thread>
#include <vector>

namespace q = quiesce;
using namespace std::chrono_literals;

namespace {

struct Counts {
  std::atomic<int> started{0}, ended{0};
};

/// Counts its own life; the count must be balanced however it ends.
struct Alive {
  std::shared_ptr<Counts> counts;
  explicit Alive(std::shared_ptr<Counts> c) : counts(std::move(c)) { counts->started.fetch_add(1); }
  Alive(Alive&&) = default;
  ~Alive() {
    if (counts) counts->ended.fetch_add(1);
  }
};

}  // namespace
template <>
inline constexpr bool quiesce::enable_sync<Counts> = true;

namespace {

void expect_all_ended(const q::Runtime& rt) {
  q::RuntimeStats stats = rt.stats();
  EXPECT_EQ(stats.tasks_spawned, stats.tasks_completed);
  EXPECT_EQ(stats.regions_opened, stats.regions_closed);
  EXPECT_TRUE(rt.snapshot().regions.empty());
}

q::Task<int> leaf(q::Cx cx, std::shared_ptr<Counts> counts, int depth) {
  Alive alive(counts);
  if (depth % 3 == 0) co_await cx.yield();
  if (depth % 7 == 0) co_await cx.sleep(50us);
  co_return 1;
}

q::Task<int> tree(q::Cx cx, std::shared_ptr<Counts> counts, int depth) {
  if (depth == 0) {
    auto one = leaf(cx, counts, static_cast<int>(cx.random_index(100)));
    co_return co_await std::move(one);
  }
  auto body = [&](q::Cx inner, q::Scope<>& scope) -> q::Task<int> {
    std::vector<q::TaskHandle<int>> handles;
    for (int i = 0; i < 4; ++i) handles.push_back(co_await scope.spawn(inner, tree, counts, depth - 1));
    auto all = scope.join_all(inner, std::move(handles));
    int sum = 0;
    for (auto& outcome : co_await std::move(all)) sum += co_await std::move(outcome);
    co_return sum;
  };
  auto region = q::region(cx, q::FailFast{}, body);
  co_return co_await std::move(region);
}

TEST(TasksStress, nested_regions_on_all_workers) {
  for (std::uint32_t workers : {1u, 2u, 8u}) {
    q::Runtime rt = q::Runtime::builder().workers(workers).build();
    auto counts = std::make_shared<Counts>();
    for (int round = 0; round < 20; ++round) {
      auto body = [&](q::Cx cx, q::Scope<>&) -> q::Task<int> {
        auto root = tree(cx, counts, 4);
        co_return co_await std::move(root);
      };
      q::Outcome<int> sum = rt.block_on(body);
      ASSERT_TRUE(sum.is_ok()) << sum;
      EXPECT_EQ(sum.value(), 256);
    }
    EXPECT_EQ(counts->started.load(), counts->ended.load());
    expect_all_ended(rt);
  }
}

q::Task<> restless(q::Cx cx, q::Scope<> scope, std::shared_ptr<Counts> counts, int depth) {
  Alive alive(counts);
  for (;;) {
    co_await cx.yield();
    if (cx.random_index(4) == 0) co_await cx.sleep(20us);
    if (depth < 3 && cx.random_index(3) == 0) {
      auto spawned = scope.launch(cx, restless, scope, counts, depth + 1);
      if (!spawned) co_return;
    }
  }
}

TEST(TasksStress, cancel_meets_spawn) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  auto counts = std::make_shared<Counts>();
  for (int round = 0; round < 200; ++round) {
    auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
      for (int i = 0; i < 16; ++i) {
        auto launched = scope.launch(cx, restless, scope, counts, 0);
        if (!launched) co_await std::move(launched);
      }
      co_await cx.sleep(std::chrono::microseconds(round % 50));
      scope.cancel(q::CancelReason::user("enough"));
    };
    q::Outcome<> outcome = rt.block_on(body);
    ASSERT_TRUE(outcome.is_cancelled()) << outcome;
  }
  EXPECT_EQ(counts->started.load(), counts->ended.load());
  expect_all_ended(rt);
}

q::Task<> long_sleep(q::Cx cx, std::shared_ptr<Counts> counts) {
  Alive alive(counts);
  co_await cx.sleep(1h);
}

TEST(TasksStress, aborts_from_foreign_threads) {
  q::Runtime rt = q::Runtime::builder().workers(2).build();
  auto counts = std::make_shared<Counts>();
  for (int round = 0; round < 20; ++round) {
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      std::vector<q::TaskHandle<>> handles;
      for (int i = 0; i < 200; ++i) handles.push_back(co_await scope.spawn(cx, long_sleep, counts));
      std::vector<std::thread> threads;
      for (std::size_t t = 0; t < 3; ++t) {
        threads.emplace_back([&handles, t] {
          for (std::size_t i = t; i < handles.size(); i += 2) handles[i].abort();
        });
      }
      for (std::thread& thread : threads) thread.join();
      for (auto& handle : handles) {
        q::Outcome<> outcome = co_await handle.join(cx).outcome();
        EXPECT_TRUE(outcome.is_cancelled()) << outcome;
      }
    };
    q::Outcome<> outcome = rt.block_on<q::CollectAll>(body);
    ASSERT_TRUE(outcome.is_ok()) << outcome;
  }
  EXPECT_EQ(counts->started.load(), counts->ended.load());
  expect_all_ended(rt);
}

q::Task<int> quick(q::Cx cx, int value) {
  if (value % 2 == 0) co_await cx.yield();
  co_return value;
}

TEST(TasksStress, races_and_timeouts) {
  q::Runtime rt = q::Runtime::builder().workers(2).build();
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<int> {
    int sum = 0;
    for (int i = 0; i < 3000; ++i) {
      auto a = co_await scope.spawn(cx, quick, 1);
      auto b = co_await scope.spawn(cx, quick, 2);
      auto race = scope.race(cx, std::move(a), std::move(b));
      sum += co_await std::move(race) > 0 ? 1 : 0;
      auto c = co_await scope.spawn(cx, quick, 2);
      auto timed = scope.timeout(cx, 1h, std::move(c));
      sum += co_await std::move(timed) == 2 ? 1 : 0;
    }
    co_return sum;
  };
  q::Outcome<int> sum = rt.block_on(body);
  ASSERT_TRUE(sum.is_ok()) << sum;
  EXPECT_EQ(sum.value(), 6000);
  expect_all_ended(rt);
}

int busy(q::Cx cx, int value) {
  for (int i = 0; i < 100 && !cx.is_cancel_requested(); ++i) std::this_thread::yield();
  return value;
}

TEST(TasksStress, blocking_jobs_and_their_cancel) {
  q::Runtime rt = q::Runtime::builder().workers(2).blocking_threads(0, 4).build();
  for (int round = 0; round < 50; ++round) {
    auto body = [round](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<int> {
      std::vector<q::TaskHandle<int>> handles;
      for (int i = 0; i < 64; ++i) handles.push_back(co_await scope.spawn_blocking(cx, busy, i));
      int ended = 0;
      for (auto& handle : handles) {
        if (round % 2 == 0) handle.abort();
        q::Outcome<int> outcome = co_await handle.join(cx).outcome();
        ended += outcome.is_ok() || outcome.is_cancelled() ? 1 : 0;
      }
      co_return ended;
    };
    q::Outcome<int> ended = rt.block_on<q::CollectAll>(body);
    ASSERT_TRUE(ended.is_ok()) << ended;
    EXPECT_EQ(ended.value(), 64);
  }
  expect_all_ended(rt);
}

}  // namespace
