// Readers and writers on four workers, some of them cancelled.
#include "quiesce/sync/rw_lock.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "quiesce/runtime.hpp"

namespace q = quiesce;

namespace {

struct Pair {
  std::int64_t left = 0, right = 0;
};

q::Task<int> reads(q::Cx cx, q::RwLock<Pair>* lock, int rounds) {
  int uneven = 0;
  for (int i = 0; i < rounds; ++i) {
    auto guard = co_await lock->read(cx);
    if (guard->left != guard->right) ++uneven;
    if (i % 8 == 0) co_await cx.yield();
    if (guard->left != guard->right) ++uneven;
  }
  co_return uneven;
}

q::Task<int> writes(q::Cx cx, q::RwLock<Pair>* lock, int rounds) {
  int uneven = 0;
  for (int i = 0; i < rounds; ++i) {
    auto guard = co_await lock->write(cx);
    ++guard->left;
    ++guard->right;
    if (i % 4 != 0) continue;
    const std::int64_t mine = guard->left;
    auto still = std::move(guard).downgrade();
    co_await cx.yield();
    if (still->left != mine) ++uneven;
  }
  co_return uneven;
}

TEST(RwLockStress, ReadersSeeWholeWritesAndNobodyIsForgotten) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  q::RwLock<Pair> lock(Pair(), "pair");
  for (int round = 0; round < 10; ++round) {
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      std::vector<q::TaskHandle<int>> handles;
      for (int i = 0; i < 16; ++i)
        handles.push_back(co_await scope.spawn(cx, reads, q::unsafe_send(&lock), 100));
      for (int i = 0; i < 8; ++i)
        handles.push_back(co_await scope.spawn(cx, writes, q::unsafe_send(&lock), 100));
      co_await cx.sleep(std::chrono::microseconds(100 * round));
      for (std::size_t i = 0; i < handles.size(); i += 3) handles[i].abort();
      for (auto& handle : handles) {
        q::Outcome<int> outcome = co_await handle.join(cx).outcome();
        EXPECT_TRUE(outcome.is_cancelled() || (outcome.is_ok() && outcome.value() == 0)) << outcome;
      }
    };
    q::Outcome<> outcome = rt.block_on<q::CollectAll>(body);
    ASSERT_FALSE(outcome.is_panicked() || outcome.is_err()) << outcome;
    const q::RwLockStatistics after = lock.statistics();
    ASSERT_FALSE(after.is_writing);
    ASSERT_EQ(after.readers + after.waiting_readers + after.waiting_writers, 0u);
  }
  EXPECT_GT((*lock.try_read())->left, 1000);
}

}  // namespace
