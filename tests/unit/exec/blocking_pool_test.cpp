#include "quiesce/detail/exec/blocking_pool.hpp"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <deque>
#include <functional>
#include <latch>
#include <string>
#include <thread>
#include <vector>

namespace quiesce::detail {
namespace {

using namespace std::chrono_literals;

/// A job that runs a function of the test's.
struct Job : BlockingJob {
  template <class F>
  explicit Job(F body) : work(std::move(body)) {
    run = [](BlockingJob* job) noexcept { static_cast<Job*>(job)->work(); };
  }
  std::function<void()> work;
};

template <class Condition>
void wait_until(Condition condition) {
  while (!condition()) std::this_thread::yield();
}

/// Keeps a thread of the pool busy until it is opened; its end waits for that thread to be out of it.
class Gate {
 public:
  explicit Gate(BlockingPool& pool) : job_([this] { pass(); }) {
    EXPECT_TRUE(pool.submit(&job_));
    entered_.wait();
  }
  ~Gate() {
    wait_until([this] { return left_.load(); });
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  void open() { open_.count_down(); }

 private:
  void pass() {
    entered_.count_down();
    open_.wait();
    left_.store(true);
  }
  std::latch entered_{1}, open_{1};
  std::atomic<bool> left_{false};
  Job job_;
};

std::string own_thread_name() {
  char name[16] = {};
  pthread_getname_np(pthread_self(), name, sizeof name);
  return name;
}

TEST(BlockingPool, RunsAJobOnANamedThreadOfItsOwn) {
  BlockingPool pool(0, 1, 1h, "test");
  std::string name;
  Job job([&] { name = own_thread_name(); });
  ASSERT_TRUE(pool.submit(&job));
  pool.stop();
  EXPECT_EQ(name, "test-blk-0");
}

TEST(BlockingPool, CutsALongNameSoThatTheNumberIsStillThere) {
  BlockingPool pool(0, 1, 1h, "a-very-long-runtime-name");
  std::string name;
  Job job([&] { name = own_thread_name(); });
  ASSERT_TRUE(pool.submit(&job));
  pool.stop();
  EXPECT_EQ(name, "a-very-lo-blk-0");
}

TEST(BlockingPool, StartsWithTheMinimumAndGrowsOnlyWhenNobodyIsIdle) {
  BlockingPool pool(1, 3, 1h, "test");
  EXPECT_EQ(pool.threads(), 1u);
  Gate first(pool);
  EXPECT_EQ(pool.threads(), 1u);
  EXPECT_EQ(pool.idle(), 0u);
  Gate second(pool);
  EXPECT_EQ(pool.threads(), 2u);
  first.open();
  wait_until([&] { return pool.idle() == 1; });
  Gate third(pool);
  EXPECT_EQ(pool.threads(), 2u);
  second.open();
  third.open();
}

TEST(BlockingPool, KeepsJobsInOrderWhenAllThreadsAreBusy) {
  BlockingPool pool(0, 1, 1h, "test");
  Gate gate(pool);
  std::vector<int> ran;
  std::deque<Job> jobs;
  for (int i = 0; i < 5; ++i) {
    jobs.emplace_back([&ran, i] { ran.push_back(i); });
    ASSERT_TRUE(pool.submit(&jobs.back()));
  }
  EXPECT_EQ(pool.threads(), 1u);
  EXPECT_EQ(pool.queued(), 5u);
  gate.open();
  pool.stop();
  EXPECT_EQ(ran, (std::vector{0, 1, 2, 3, 4}));
}

TEST(BlockingPool, AJobRemovedBeforeItStartsNeverRuns) {
  BlockingPool pool(0, 1, 1h, "test");
  Gate gate(pool);
  bool first_ran = false, second_ran = false;
  Job first([&] { first_ran = true; }), second([&] { second_ran = true; });
  ASSERT_TRUE(pool.submit(&first));
  ASSERT_TRUE(pool.submit(&second));
  EXPECT_TRUE(pool.try_remove(&first));
  EXPECT_FALSE(pool.try_remove(&first));
  EXPECT_EQ(pool.queued(), 1u);
  gate.open();
  pool.stop();
  EXPECT_FALSE(first_ran);
  EXPECT_TRUE(second_ran);
  EXPECT_FALSE(pool.try_remove(&second));
}

TEST(BlockingPool, AJobThatHasStartedCannotBeRemoved) {
  BlockingPool pool(0, 1, 1h, "test");
  std::latch started(1), release(1);
  Job job([&] {
    started.count_down();
    release.wait();
  });
  ASSERT_TRUE(pool.submit(&job));
  started.wait();
  EXPECT_FALSE(pool.try_remove(&job));
  release.count_down();
  pool.stop();
}

TEST(BlockingPool, ARemovedJobMayBeSubmittedAgain) {
  BlockingPool pool(0, 1, 1h, "test");
  Gate gate(pool);
  int runs = 0;
  Job job([&] { ++runs; });
  ASSERT_TRUE(pool.submit(&job));
  ASSERT_TRUE(pool.try_remove(&job));
  ASSERT_TRUE(pool.submit(&job));
  gate.open();
  pool.stop();
  EXPECT_EQ(runs, 1);
}

TEST(BlockingPool, ShrinksToTheMinimumAfterTheIdleTime) {
  BlockingPool pool(1, 4, 1ms, "test");
  for (int round = 0; round < 3; ++round) {
    std::deque<Gate> gates;
    for (int i = 0; i < 4; ++i) gates.emplace_back(pool);
    EXPECT_EQ(pool.threads(), 4u);
    for (Gate& gate : gates) gate.open();
    wait_until([&] { return pool.threads() == 1; });
    wait_until([&] { return pool.idle() == 1; });  // the one that stays may still be ending its job
  }
}

TEST(BlockingPool, StopRunsWhatWaitsAndTakesNothingMore) {
  BlockingPool pool(0, 1, 1h, "test");
  int runs = 0;
  bool refused = false;
  Job late([&] { ++runs; });
  Job waiting([&] { ++runs; });
  Job stopping([&] { wait_until([&] { return (refused = !pool.submit(&late)) || !pool.try_remove(&late); }); });
  ASSERT_TRUE(pool.submit(&stopping));
  ASSERT_TRUE(pool.submit(&waiting));
  pool.stop();
  EXPECT_TRUE(refused);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(pool.threads(), 0u);
  EXPECT_EQ(pool.queued(), 0u);
  EXPECT_FALSE(pool.submit(&late));
  pool.stop();
}

TEST(BlockingPool, AJobMayFreeItselfAndSubmitAnother) {
  BlockingPool pool(0, 2, 1h, "test");
  std::latch done(1);
  std::atomic<int> left{100};
  struct Chain : BlockingJob {
    Chain(BlockingPool& p, std::atomic<int>& l, std::latch& d) : chain_pool(p), chain_left(l), chain_done(d) {
      run = [](BlockingJob* job) noexcept {
        auto* self = static_cast<Chain*>(job);
        auto* next = self->chain_left.fetch_sub(1) > 1 ? new Chain(*self) : nullptr;
        BlockingPool& own_pool = self->chain_pool;
        std::latch& finished = self->chain_done;
        delete self;
        if (next == nullptr) return finished.count_down();
        EXPECT_TRUE(own_pool.submit(next));
      };
    }
    BlockingPool& chain_pool;
    std::atomic<int>& chain_left;
    std::latch& chain_done;
  };
  ASSERT_TRUE(pool.submit(new Chain(pool, left, done)));
  done.wait();
  EXPECT_EQ(left.load(), 0);
}

TEST(BlockingPoolDeathTest, RefusesToBeStoppedByItsOwnJob) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        BlockingPool pool(0, 1, 1h, "test");
        Job job([&] { pool.stop(); });
        (void)pool.submit(&job);
        pool.stop();
      },
      "stopped by one of its own jobs");
}

}  // namespace
}  // namespace quiesce::detail
