// Many tasks on four workers want one lock; some are cancelled while they wait or while they hold it.
#include "quiesce/sync/mutex.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "quiesce/runtime.hpp"
#include "quiesce/select.hpp"

namespace q = quiesce;
using namespace std::chrono_literals;

namespace {

struct Ledger {
  std::int64_t left = 0, right = 0;
};

q::Task<int> work(q::Cx cx, q::Mutex<Ledger>* mutex, int rounds) {
  int done = 0;
  for (int i = 0; i < rounds; ++i) {
    auto guard = co_await mutex->lock(cx);
    ++guard->left;
    if (i % 16 == 0) {
      const q::MaskGuard uncancelled = cx.mask();
      co_await cx.yield();
    }
    ++guard->right;
    ++done;
  }
  co_return done;
}

q::Task<int> hurry(q::Cx cx, q::Mutex<Ledger>* mutex, int rounds) {
  int done = 0;
  for (int i = 0; i < rounds; ++i) {
    auto guard = co_await mutex->lock_for(cx, std::chrono::microseconds(i % 50)).outcome();
    if (guard.is_cancelled()) break;
    if (!guard.is_ok()) continue;
    ++guard.value()->left;
    ++guard.value()->right;
    ++done;
  }
  co_return done;
}

TEST(MutexStress, NothingIsLostWhenTasksAreCancelledAtAllPlaces) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  q::Mutex<Ledger> mutex(Ledger(), "ledger");
  for (int round = 0; round < 10; ++round) {
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      std::vector<q::TaskHandle<int>> handles;
      for (int i = 0; i < 24; ++i)
        handles.push_back(co_await scope.spawn(cx, work, q::unsafe_send(&mutex), 200));
      for (int i = 0; i < 8; ++i)
        handles.push_back(co_await scope.spawn(cx, hurry, q::unsafe_send(&mutex), 100));
      co_await cx.sleep(std::chrono::microseconds(100 * round));
      for (std::size_t i = 0; i < handles.size(); i += 3) handles[i].abort();
      for (auto& handle : handles) {
        q::Outcome<int> outcome = co_await handle.join(cx).outcome();
        EXPECT_TRUE(outcome.is_ok() || outcome.is_cancelled()) << outcome;
      }
    };
    q::Outcome<> outcome = rt.block_on<q::CollectAll>(body);
    ASSERT_FALSE(outcome.is_panicked() || outcome.is_err()) << outcome;
    ASSERT_FALSE(mutex.statistics().is_locked);
    ASSERT_EQ(mutex.statistics().waiters, 0u);
  }
  auto guard = mutex.try_lock();
  EXPECT_EQ((*guard)->left, (*guard)->right);
  EXPECT_GT((*guard)->left, 10'000);
}

/// Never gives way but by its budget: passes whoever waits.
q::Task<int> race(q::Cx cx, q::Mutex<Ledger>* mutex, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    auto guard = co_await mutex->lock(cx);
    ++guard->left;
    ++guard->right;
  }
  co_return rounds;
}
/// Is handed the lock: its wait stands in a select, whose other branch may be faster.
q::Task<int> choose(q::Cx cx, q::Mutex<Ledger>* mutex, int rounds) {
  int done = 0;
  for (int i = 0; i < rounds; ++i) {
    auto first = co_await q::select(cx, mutex->lock(), cx.sleep(std::chrono::microseconds(i % 20)));
    if (first.index() != 0) continue;
    ++std::get<0>(first)->left;
    ++std::get<0>(first)->right;
    ++done;
  }
  co_return done;
}

TEST(MutexStress, ThoseThatPassCallAndAreHandedTheLockLoseNothing) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  q::Mutex<Ledger> mutex(Ledger(), "ledger");
  std::atomic<bool> over{false};
  std::int64_t outside = 0;
  std::thread foreign([&] {  // no task: it can only try
    while (!over.load()) {
      if (auto guard = mutex.try_lock()) {
        ++(*guard)->left;
        ++(*guard)->right;
        ++outside;
      }
      std::this_thread::yield();
    }
  });
  std::int64_t done = 0;
  for (int round = 0; round < 5; ++round) {
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      std::vector<q::TaskHandle<int>> handles;
      for (int i = 0; i < 8; ++i) {
        handles.push_back(co_await scope.spawn(cx, race, q::unsafe_send(&mutex), 4000));
        handles.push_back(co_await scope.spawn(cx, work, q::unsafe_send(&mutex), 200));
        handles.push_back(co_await scope.spawn(cx, choose, q::unsafe_send(&mutex), 100));
      }
      for (auto& handle : handles) done += co_await handle.join(cx);
    };
    q::Outcome<> outcome = rt.block_on<q::CollectAll>(body);
    ASSERT_TRUE(outcome.is_ok()) << outcome;
  }
  over.store(true);
  foreign.join();
  EXPECT_EQ(mutex.statistics().waiters, 0u);
  auto guard = mutex.try_lock();
  ASSERT_TRUE(guard);
  EXPECT_EQ((*guard)->left, done + outside);
  EXPECT_EQ((*guard)->right, done + outside);
}

}  // namespace
