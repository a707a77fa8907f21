// Combinators, callbacks and thread ports on real threads, with cancels mixed in: nothing is lost, and nothing runs on.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <ranges>
#include <thread>
#include <vector>

#include "quiesce/callback.hpp"
#include "quiesce/combinators/bracket.hpp"
#include "quiesce/combinators/bulkhead.hpp"
#include "quiesce/combinators/concurrent.hpp"
#include "quiesce/combinators/join_set.hpp"
#include "quiesce/combinators/pipeline.hpp"
#include "quiesce/combinators/quorum.hpp"
#include "quiesce/runtime.hpp"
#include "quiesce/thread_port.hpp"
#include "quiesce/timeout.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;

struct Counts {
  std::atomic<int> inside = 0, most = 0, done = 0;
};
struct Inside {
  Counts* counts;
  explicit Inside(Counts* where) : counts(where) {
    const int now = ++counts->inside;
    for (int most = counts->most; now > most && !counts->most.compare_exchange_weak(most, now);) continue;
  }
  ~Inside() { --counts->inside; }
};

Task<int> visit(Cx cx, int item, Counts* counts) {
  const Inside here(counts);
  for (int i = 0; i < item % 4; ++i) co_await cx.yield();
  ++counts->done;
  co_return item;
}

/// Runs `work` many times, each in a task that is aborted after some yields, or left alone.
template <class Work>
void run_with_aborts(int rounds, Work work) {
  Runtime runtime = Runtime::builder().workers(4).build();
  auto body = [&](Cx cx, Scope<CollectAll>& scope) -> Task<> {
    for (int round = 0; round < rounds; ++round) {
      auto handle = co_await scope.spawn(cx, UnsafeSend<Work>(work));
      for (int i = 0; i < round % 7; ++i) co_await cx.yield();
      if (round % 3 != 0) handle.abort();
      auto ended = co_await handle.join(cx).outcome();
      EXPECT_TRUE(round % 3 != 0 || ended.is_ok()) << ended;
    }
  };
  EXPECT_TRUE(runtime.block_on<CollectAll>(body).is_ok());
}

TEST(CombinatorsStress, ItemsAtMostSoManyAtATimeAndNoneLeftBehind) {
  run_with_aborts(200, [](Cx cx) -> Task<> {
    Counts counts;
    auto each = for_each_concurrent(cx, std::views::iota(0, 40), 3, visit, unsafe_send(&counts));
    auto ended = co_await std::move(each).outcome();
    EXPECT_EQ(counts.inside, 0);
    EXPECT_LE(counts.most, 3);
    EXPECT_TRUE(!ended.is_ok() || counts.done == 40) << counts.done;
    co_await std::move(ended);
  });
}

TEST(CombinatorsStress, JoinSetsAndQuorums) {
  run_with_aborts(200, [](Cx cx) -> Task<> {
    Counts counts;
    auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
      JoinSet<int> set(scope, 4);
      int sum = 0;
      for (int i = 0; i < 20; ++i) co_await set.spawn_next(mine, visit, i, unsafe_send(&counts));
      while (auto ended = co_await set.join_next(mine)) sum += ended->value();
      EXPECT_EQ(sum, 190);
      std::vector<TaskHandle<int>> handles;
      for (int i = 0; i < 5; ++i) handles.push_back(co_await scope.spawn(mine, visit, i, unsafe_send(&counts)));
      auto vote = quorum(mine, scope, 3, std::move(handles));
      auto won = co_await std::move(vote);
      EXPECT_EQ(won.size(), 3u);
    };
    auto ended = co_await region(cx, FailFast(), inside).outcome();
    EXPECT_EQ(counts.inside, 0);
    co_await std::move(ended);
  });
}

TEST(CombinatorsStress, PipelinesDeliverEverythingOrEndCancelled) {
  run_with_aborts(150, [](Cx cx) -> Task<> {
    auto twice = [](Cx own, int item) -> Task<int> {
      if (item % 3 == 0) co_await own.yield();
      co_return 2 * item;
    };
    int sum = 0;
    auto sink = [&sum](Cx, int item) -> Task<> {
      sum += item;
      co_return;
    };
    co_await pipeline(cx, std::views::iota(0, 50), stage(3, twice), stage(1, twice), sink);
    EXPECT_EQ(sum, 4 * 49 * 50 / 2);
  });
}

TEST(CombinatorsStress, WhatIsAcquiredIsReleased) {
  static std::atomic<int> acquired, released;
  run_with_aborts(300, [](Cx cx) -> Task<> {
    auto acquire = [](Cx own) -> Task<int> {
      co_await own.yield();
      co_return ++acquired;
    };
    auto use = [](Cx own, int&) -> Task<> { co_await own.yield(); };
    auto release = [](Cx own, int&) -> Task<> {
      co_await own.yield();
      ++released;
    };
    co_await bracket(cx, acquire, use, release);
  });
  EXPECT_EQ(acquired, released);
}

TEST(CombinatorsStress, BulkheadsGiveEveryPlaceBack) {
  Bulkhead bulkhead(2, 3);
  Counts counts;
  auto call = [&](Cx cx, int) -> Task<> {
    auto work = [&](Cx own) -> Task<> {
      const Inside here(&counts);
      co_await own.yield();
    };
    auto calling = bulkhead.call(cx, work);
    auto ended = co_await std::move(calling).outcome();
    EXPECT_TRUE(!ended.is_err() || ended.error().code() == ErrorCode::Overloaded) << ended;
  };
  run_with_aborts(150, [&](Cx cx) -> Task<> {
    co_await for_each_concurrent(cx, std::views::iota(0, 20), 8, unsafe_send(call));
  });
  EXPECT_LE(counts.most, 2);
  EXPECT_EQ(bulkhead.statistics().inside, 0u);
  EXPECT_EQ(bulkhead.statistics().waiters, 0u);
}

/// A thread that calls back what it is given, one after the other.
class CallingThread {
 public:
  ~CallingThread() { stop(); }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  void add(Completion<int> done) {
    std::scoped_lock hold(mutex_);
    asked_.push_back(std::move(done));
  }
  std::atomic<int> accepted = 0;

 private:
  void run() {
    while (!stop_) {
      std::vector<Completion<int>> now;
      {
        std::scoped_lock hold(mutex_);
        now.swap(asked_);
      }
      for (const Completion<int>& done : now) accepted += done(1) ? 1 : 0;
      std::this_thread::yield();
    }
  }
  std::mutex mutex_;
  std::vector<Completion<int>> asked_;
  std::atomic<bool> stop_ = false;
  std::thread thread_{[this] { run(); }};
};

TEST(CombinatorsStress, CallbacksAndRequestsRace) {
  CallingThread library;
  std::atomic<int> got = 0;
  run_with_aborts(1000, [&](Cx cx) -> Task<> {
    got += co_await from_callback<int>(cx, [&](Completion<int> done) { library.add(done); });
  });
  library.stop();
  EXPECT_GE(library.accepted, got);
  EXPECT_GT(got, 300);
}

TEST(CombinatorsStress, ThreadsSpawnWhileRegionsClose) {
  for (int round = 0; round < 100; ++round) {
    Runtime runtime = Runtime::builder().workers(2).build();
    std::atomic<int> accepted = 0, ran = 0;
    std::vector<std::thread> threads;
    auto work = [](Cx, std::atomic<int>* counter) -> Task<> {
      ++*counter;
      co_return;
    };
    auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
      ThreadPort port = co_await thread_port(cx, scope);
      for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&, port] {
          for (int n = 0; n < 50; ++n) {
            auto handle = port.spawn(work, unsafe_send(&ran));
            if (!handle) return;
            ++accepted;
            EXPECT_TRUE(n % 2 != 0 || handle->wait().is_ok());
          }
        });
      }
      for (int i = 0; i < round; ++i) co_await cx.yield();
    };
    EXPECT_TRUE(runtime.block_on(body).is_ok());
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(accepted, ran);
  }
}

}  // namespace
}  // namespace quiesce
