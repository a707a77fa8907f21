// Forks on all cores: steals, promotions, requests and failures racing each other, with every count checked at the end.
#include <gtest/gtest.h>
#include <quiesce/fork_join.hpp>
#include <quiesce/parallel/sort.hpp>
#include <quiesce/quiesce.hpp>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>
#include <vector>

namespace q = quiesce;
using namespace std::chrono_literals;

namespace {

struct Counts {
  std::atomic<int> begun{0}, ended{0};
};
struct Alive {
  Counts* counts;
  explicit Alive(Counts* c) : counts(c) { counts->begun.fetch_add(1, std::memory_order_relaxed); }
  ~Alive() { counts->ended.fetch_add(1, std::memory_order_relaxed); }
};

/// Yields, sleeps and fails here and there; `borrowed` is in the frame of its parent.
q::Task<int> tree(q::Cx cx, Counts* counts, const std::vector<int>& borrowed, int depth, bool fails) {
  const Alive alive(counts);
  const std::vector<int> own(4, depth);
  if (borrowed.size() != 4 || borrowed[3] != depth + 1) throw std::logic_error("the parent's frame has gone");
  const std::uint64_t dice = cx.random_index(200);
  if (dice < 4) co_await cx.yield();
  if (dice == 4) co_await cx.sleep(30us);
  if (fails && dice == 5) co_await q::fail(q::Error("dice"));
  if (depth == 0) {
    co_await cx.checkpoint();
    co_return 1;
  }
  auto [a, b, c] = co_await q::fork_join(cx, q::fork(tree, counts, own, depth - 1, fails),
                                         q::fork(tree, counts, own, depth - 1, fails),
                                         q::call(tree, counts, own, depth - 1, fails));
  if (borrowed[3] != depth + 1) throw std::logic_error("the parent's frame has gone");
  co_return a + b + c;
}

void expect_all_ended(const q::Runtime& rt, const Counts& counts) {
  const q::RuntimeStats stats = rt.stats();
  EXPECT_EQ(stats.tasks_spawned, stats.tasks_completed);
  EXPECT_EQ(stats.regions_opened, stats.regions_closed);
  EXPECT_TRUE(rt.snapshot().regions.empty());
  EXPECT_EQ(counts.begun.load(), counts.ended.load());
}

TEST(ForkJoinStress, steals_and_promotions_lose_nothing) {
  for (const std::uint32_t workers : {1u, 2u, 4u, 8u}) {
    q::Runtime rt = q::Runtime::builder().workers(workers).build();
    Counts counts;
    for (int round = 0; round < 6; ++round) {
      auto body = [&](q::Cx cx, q::Scope<>&) -> q::Task<int> {
        const std::vector<int> own(4, 9);
        co_return co_await tree(cx, &counts, own, 8, false);
      };
      const q::Outcome<int> sum = rt.block_on(body);
      ASSERT_TRUE(sum.is_ok()) << sum;
      EXPECT_EQ(sum.value(), 6561);
    }
    expect_all_ended(rt, counts);
  }
}

TEST(ForkJoinStress, failures_stop_the_rest) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  Counts counts;
  for (int round = 0; round < 100; ++round) {
    auto body = [&](q::Cx cx, q::Scope<>&) -> q::Task<int> {
      const std::vector<int> own(4, 7);
      co_return co_await tree(cx, &counts, own, 6, true);
    };
    const q::Outcome<int> sum = rt.block_on(body);
    ASSERT_TRUE(sum.is_err() || sum.is_ok()) << sum;
  }
  expect_all_ended(rt, counts);
}

TEST(ForkJoinStress, requests_race_with_forks) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  Counts counts;
  for (int round = 0; round < 60; ++round) {
    auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
      auto work = q::UnsafeSend([&counts](q::Cx mine) -> q::Task<int> {
        const std::vector<int> own(4, 9);
        co_return co_await tree(mine, &counts, own, 8, false);
      });
      auto one = co_await scope.spawn(cx, work);
      auto two = co_await scope.spawn(cx, work);
      co_await cx.sleep(std::chrono::microseconds(round % 40 * 10));
      one.abort();
      auto first = co_await one.join(cx).outcome();
      if (!first.is_ok() && !first.is_cancelled() && !first.is_err())
        throw std::logic_error("what has become of it?");
      if (round % 2 == 0) scope.cancel(q::CancelReason::user("enough"));
      (void)co_await two.join(cx).outcome();
    };
    const q::Outcome<> ended = rt.block_on(body);
    ASSERT_FALSE(ended.is_panicked()) << ended;
  }
  expect_all_ended(rt, counts);
}

TEST(ForkJoinStress, sorts_are_cancelled_without_loss) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  std::vector<int> numbers(50'000);
  for (int round = 0; round < 20; ++round) {
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int>(i * 7919 % numbers.size());
    auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
      auto stops = q::UnsafeSend([&scope, round](q::Cx mine) -> q::Task<> {
        co_await mine.sleep(std::chrono::microseconds(100 * round));
        scope.cancel(q::CancelReason::user("enough"));
      });
      co_await scope.launch(cx, std::move(stops));
      co_await q::parallel::sort(cx, numbers, std::less<>(), q::parallel::Grain(64));
    };
    (void)rt.block_on(body);
    std::sort(numbers.begin(), numbers.end());
    for (std::size_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(numbers[i], static_cast<int>(i));
  }
}

}  // namespace
