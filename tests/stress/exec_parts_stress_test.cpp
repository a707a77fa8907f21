// Threads against the executor's parts: every item is counted out as often as it was counted in, and nobody
// sleeps for ever.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <deque>
#include <latch>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "quiesce/detail/exec/blocking_pool.hpp"
#include "quiesce/detail/exec/deque.hpp"
#include "quiesce/detail/exec/idle_set.hpp"
#include "quiesce/detail/exec/injector.hpp"
#include "quiesce/detail/exec/lifo_slot.hpp"
#include "quiesce/detail/exec/parker.hpp"
#include "quiesce/detail/kernel/owned_lock.hpp"
#include "quiesce/detail/kernel/spin_lock.hpp"

namespace quiesce::detail {
namespace {

using namespace std::chrono_literals;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define QUIESCE_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define QUIESCE_TEST_SANITIZED 1
#endif
#endif
#ifdef QUIESCE_TEST_SANITIZED
constexpr std::uint32_t scale = 1;
#else
constexpr std::uint32_t scale = 4;
#endif

/// Runs `body(index)` on so many threads, all from the same moment on.
template <class Body>
void run_together(std::ptrdiff_t count, Body body) {
  std::latch start(count);
  std::vector<std::jthread> threads;
  for (std::ptrdiff_t index = 0; index < count; ++index) {
    threads.emplace_back([&start, &body, index] {
      start.arrive_and_wait();
      body(static_cast<std::uint32_t>(index));
    });
  }
}

struct Item {
  std::uint32_t payload = 0;  // plain: written by the producer, read by whoever took it
  std::atomic<std::uint32_t> taken{0};
  Item* queue_next = nullptr;
};

std::deque<Item> make_items(std::uint32_t count) {
  std::deque<Item> items(count);
  return items;
}

void take(Item* item) {
  EXPECT_EQ(item->payload, 7u);
  item->taken.fetch_add(1, std::memory_order_relaxed);
}

void expect_each_taken_once(const std::deque<Item>& items) {
  std::uint32_t wrong = 0;
  for (const Item& item : items) wrong += item.taken.load() != 1 ? 1 : 0;
  EXPECT_EQ(wrong, 0u);
}

TEST(ExecPartsStress, SpinLockKeepsOthersOut) {
  constexpr std::uint32_t rounds = 100'000 * scale;
  SpinLock<> lock;
  std::uint64_t counter = 0;
  run_together(3, [&](std::uint32_t) {
    for (std::uint32_t i = 0; i < rounds; ++i) {
      std::scoped_lock guard(lock);
      ++counter;
    }
  });
  EXPECT_EQ(counter, 3u * rounds);
}

// A small ring wraps often, and the owner often competes for the last item.
TEST(ExecPartsStress, OwnedLockKeepsOthersOut) {
  constexpr std::uint32_t rounds = 20'000 * scale, apart = 400;
  OwnedLock<> lock;
  std::uint64_t count = 0;  // plain
  std::atomic<std::uint32_t> visits{0};
  run_together(3, [&](std::uint32_t thread) {
    if (thread == 0) {  // the owner, between visits of the others
      for (std::uint32_t i = 0; i < rounds; ++i) {
        const OwnedLock<>::Hold hold(lock, 1);
        ++count;
      }
      visits.store(~0u);
      return;
    }
    while (visits.load() != ~0u) {
      for (std::uint32_t i = 0; i < apart; ++i) RealPlatform::pause();
      const std::scoped_lock hold(lock);
      count += 1ull << 32;
    }
  });
  EXPECT_EQ(count & 0xffffffff, rounds);
}

TEST(ExecPartsStress, LifoSlotGivesEachItemToOneThread) {
  constexpr std::uint32_t count = 20'000 * scale;
  std::deque<Item> items = make_items(count);
  LifoSlot<Item> slot;
  std::atomic<bool> done{false};
  const auto take = [](Item* item) {
    if (item == nullptr) return;
    EXPECT_EQ(item->payload, 7u);
    item->taken.fetch_add(1);
  };
  run_together(2, [&](std::uint32_t thread) {
    if (thread == 1) {
      while (!done.load())
        if (slot.peek() != nullptr) take(slot.steal());
      return;
    }
    for (Item& item : items) {
      item.payload = 7;
      take(slot.put(&item));
      if (item.taken.load() == 0) take(slot.take());
    }
    done.store(true);
  });
  take(slot.take());
  for (const Item& item : items) ASSERT_EQ(item.taken.load(), 1u);
}

TEST(ExecPartsStress, WorkDequeGivesEachItemToOneThread) {
  std::deque<Item> items = make_items(60'000 * scale);
  WorkDeque<Item, RealPlatform, 8> deque;
  std::atomic<bool> done{false};
  std::vector<std::thread> thieves;
  for (int t = 0; t < 2; ++t) {
    thieves.emplace_back([&] {
      while (!done.load(std::memory_order_acquire) || !deque.empty()) {
        if (Item* item = deque.steal()) take(item);
      }
    });
  }
  std::array<Item*, decltype(deque)::half> half{};
  std::uint32_t turn = 0;
  for (Item& item : items) {
    item.payload = 7;
    while (!deque.push(&item)) {
      const std::uint32_t count = deque.take_half(half.data());
      for (std::uint32_t i = 0; i < count; ++i) take(half[i]);
    }
    switch (++turn % 4) {
      case 0:
        if (Item* own = deque.pop()) take(own);
        break;
      case 1:
        if (Item* own = deque.pop_fifo()) take(own);
        break;
      case 2:
        while (Item* own = deque.pop()) take(own);
        break;
      default: break;
    }
  }
  done.store(true, std::memory_order_release);
  for (std::thread& thief : thieves) thief.join();
  expect_each_taken_once(items);
}

// Never more than one item, so that owner and thief meet at the last one all the time.
TEST(ExecPartsStress, WorkDequeGivesTheLastItemToOneThread) {
  std::deque<Item> items = make_items(250'000 * scale);
  WorkDeque<Item> deque;
  std::atomic<bool> done{false};
  run_together(2, [&](std::uint32_t index) {
    if (index == 0) {
      for (Item& item : items) {
        item.payload = 7;
        EXPECT_TRUE(deque.push(&item));
        while (Item* own = deque.pop()) take(own);
      }
      done.store(true, std::memory_order_release);
    } else {
      while (!done.load(std::memory_order_acquire)) {
        if (Item* item = deque.steal()) take(item);
      }
    }
  });
  EXPECT_TRUE(deque.empty());
  expect_each_taken_once(items);
}

TEST(ExecPartsStress, InjectorGivesEachItemToOneThread) {
  constexpr std::uint32_t per_producer = 40'000 * scale;
  std::array<std::deque<Item>, 2> items{make_items(per_producer), make_items(per_producer)};
  Injector<Item> injector;
  std::atomic<std::uint32_t> left{2 * per_producer};
  const auto produce = [&](std::deque<Item>& own) {
    Injector<Item>::Batch batch;
    std::uint32_t turn = 0;
    for (Item& item : own) {
      item.payload = 7;
      if (++turn % 3 == 0) {
        injector.push(&item);
      } else {
        batch.push_back(&item);
        if (batch.size() == 16) injector.push_batch(std::move(batch));
      }
    }
    injector.push_batch(std::move(batch));
  };
  const auto consume = [&] {
    while (left.load(std::memory_order_relaxed) > 0) {
      Injector<Item>::Batch batch = injector.pop_batch(8);
      if (Item* item = injector.pop()) batch.push_back(item);
      left.fetch_sub(static_cast<std::uint32_t>(batch.size()), std::memory_order_relaxed);
      while (Item* item = batch.pop_front()) take(item);
    }
  };
  run_together(4, [&](std::uint32_t index) { index < 2 ? produce(items[index]) : consume(); });
  for (const auto& own : items) expect_each_taken_once(own);
  EXPECT_TRUE(injector.empty());
}

TEST(ExecPartsStress, ParkerPassesATokenToAndFro) {
  constexpr std::uint32_t rounds = 4'000 * scale;
  Parker<> here, there;
  std::uint32_t value = 0;
  std::thread peer([&] {
    for (std::uint32_t i = 0; i < rounds; ++i) {
      there.park();
      ++value;
      here.unpark();
    }
  });
  for (std::uint32_t i = 0; i < rounds; ++i) {
    ++value;
    there.unpark();
    here.park();
  }
  peer.join();
  EXPECT_EQ(value, 2 * rounds);
}

// Three workers, as an executor would use the parts: own deques, stealing, the injector, the idle set, and a
// parker each. The main thread injects in bursts and waits for each burst; shared and local work. A lost
// wake-up hangs the test.
class MiniExecutor {
 public:
  static constexpr std::uint32_t worker_count = 3;

  MiniExecutor() {
    for (std::uint32_t w = 0; w < worker_count; ++w) threads_.emplace_back([this, w] { run(w); });
  }
  ~MiniExecutor() {
    stopping_.store(true);
    for (std::uint32_t w = 0; w < worker_count; ++w) give_local(w);
    for (std::thread& thread : threads_) thread.join();
    EXPECT_EQ(idle_.parked(), 0u);
    EXPECT_EQ(idle_.searching(), 0u);
  }

  void inject(Item* item) {
    injector_.push(item);
    wake_one();
  }
  void give_local(std::uint32_t w) {
    workers_[w].local.fetch_add(1);
    if (idle_.claim(w)) workers_[w].parker.unpark();
  }
  std::uint32_t ran() const { return ran_.load(); }
  std::uint32_t ran_local() const { return ran_local_.load(); }

 private:
  struct Worker {
    WorkDeque<Item> deque;
    std::atomic<std::uint32_t> local{0};
    Parker<> parker;
  };

  void wake_one() {
    if (auto w = idle_.claim_one()) workers_[*w].parker.unpark();
  }

  void run(std::uint32_t self) {
    bool searching = false;
    while (!stopping_.load()) {
      ran_local_.fetch_add(workers_[self].local.exchange(0));
      Item* item = workers_[self].deque.pop();
      if (item == nullptr) {
        if (!searching) searching = idle_.try_become_searcher();
        if (searching) item = search(self);
      }
      if (item != nullptr) {
        if (std::exchange(searching, false) && idle_.stop_searching()) wake_one();
        execute(self, item);
        continue;
      }
      if (std::exchange(searching, false)) (void)idle_.stop_searching();
      searching = sleep(self);
    }
    if (searching && idle_.stop_searching()) wake_one();
  }

  bool sleep(std::uint32_t self) {
    idle_.prepare_park(self);
    if (!work_in_sight(self)) workers_[self].parker.park();
    return idle_.finish_park(self) == Woken::AsSearcher;
  }

  bool work_in_sight(std::uint32_t self) {
    bool found = stopping_.load() || workers_[self].local.load() > 0 || !injector_.empty();
    for (Worker& worker : workers_) found = found || !worker.deque.empty();
    return found;
  }

  Item* search(std::uint32_t self) {
    Injector<Item>::Batch batch = injector_.pop_batch(4);
    Item* first = batch.pop_front();
    while (Item* item = batch.pop_front()) EXPECT_TRUE(workers_[self].deque.push(item));
    for (std::uint32_t step = 1; first == nullptr && step < worker_count; ++step) {
      first = workers_[(self + step) % worker_count].deque.steal();
    }
    return first;
  }

  /// Every item with a successor in its payload's upper half "spawns" it into the own deque.
  void execute(std::uint32_t self, Item* item) {
    item->taken.fetch_add(1, std::memory_order_relaxed);
    if (item->payload > 0) {
      Item* child = item + 1;
      EXPECT_TRUE(workers_[self].deque.push(child));
      wake_one();
    }
    ran_.fetch_add(1);
  }

  IdleSet<> idle_{worker_count};
  Injector<Item> injector_;
  std::array<Worker, worker_count> workers_;
  std::atomic<std::uint32_t> ran_{0}, ran_local_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

TEST(ExecPartsStress, WorkersThatParkByTheIdleSetMissNothing) {
  constexpr std::uint32_t bursts = 600 * scale, burst = 6;
  std::vector<Item> items(bursts * burst * 2);
  MiniExecutor executor;
  std::uint32_t injected = 0;
  for (std::uint32_t b = 0; b < bursts; ++b) {
    for (std::uint32_t i = 0; i < burst; ++i, injected += 2) {
      items[injected].payload = 1;
      executor.inject(&items[injected]);
    }
    executor.give_local(b % MiniExecutor::worker_count);
    while (executor.ran() < injected || executor.ran_local() < b + 1) std::this_thread::yield();
  }
  EXPECT_EQ(executor.ran(), injected);
  EXPECT_EQ(executor.ran_local(), bursts);
}

TEST(ExecPartsStress, BlockingPoolRunsOrRemovesEachJobOnce) {
  constexpr std::uint32_t per_thread = 10'000 * scale;
  struct Counted : BlockingJob {
    std::atomic<std::uint32_t> runs{0};
    bool removed = false;
  };
  std::array<std::vector<Counted>, 2> jobs{std::vector<Counted>(per_thread), std::vector<Counted>(per_thread)};
  BlockingPool pool(0, 3, 0ns, "storm");
  run_together(2, [&](std::uint32_t thread) {
    std::vector<Counted>& own = jobs[thread];
    for (std::uint32_t i = 0; i < per_thread; ++i) {
      own[i].run = [](BlockingJob* self) noexcept { static_cast<Counted*>(self)->runs.fetch_add(1); };
      EXPECT_TRUE(pool.submit(&own[i]));
      Counted& victim = own[i - i % 3];  // now the newest, now one that has probably run
      if (!victim.removed) victim.removed = pool.try_remove(&victim);
    }
    EXPECT_LE(pool.threads(), 3u);
  });
  pool.stop();
  std::uint32_t wrong = 0;
  for (auto& own : jobs) {
    for (Counted& job : own) wrong += job.runs.load() + (job.removed ? 1 : 0) != 1 ? 1 : 0;
  }
  EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace quiesce::detail
