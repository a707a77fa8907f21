// Notifications, barriers and latches on four workers.
#include "quiesce/sync/notify.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "quiesce/runtime.hpp"
#include "quiesce/sync/barrier.hpp"
#include "quiesce/sync/latch.hpp"

namespace q = quiesce;

namespace {

struct Post {
  q::Notify notify{"post"};
  std::atomic<int> letters{0}, taken{0};
};

bool take_letter(Post& post) {
  int seen = post.letters.load();
  while (seen > 0) {
    if (!post.letters.compare_exchange_weak(seen, seen - 1)) continue;
    if (seen > 1) post.notify.notify_one();
    return true;
  }
  return false;
}

q::Task<> collect(q::Cx cx, Post* post) {
  for (;;) {
    while (!take_letter(*post)) co_await post->notify.notified(cx);
    post->taken.fetch_add(1);
  }
}
q::Task<> deliver(q::Cx cx, Post* post, int letters) {
  for (int i = 0; i < letters; ++i) {
    post->letters.fetch_add(1);
    post->notify.notify_one();
    if (i % 32 == 0) co_await cx.yield();
  }
}

TEST(NotifyStress, EveryLetterIsCollectedThoughCollectorsAreCancelled) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  for (int round = 0; round < 5; ++round) {
    Post post;
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      std::vector<q::TaskHandle<>> collectors, senders;
      for (int i = 0; i < 8; ++i)
        collectors.push_back(co_await scope.spawn(cx, collect, q::unsafe_send(&post)));
      for (int i = 0; i < 4; ++i)
        senders.push_back(co_await scope.spawn(cx, deliver, q::unsafe_send(&post), 2000));
      for (std::size_t i = 0; i < 7; ++i) {
        co_await cx.sleep(std::chrono::microseconds(50));
        collectors[i].abort();
      }
      for (auto& sender : senders) co_await sender.join(cx);
      while (post.letters.load() > 0) co_await cx.yield();
      collectors[7].abort();
      for (auto& collector : collectors) (void)co_await collector.join(cx).outcome();
    };
    q::Outcome<> outcome = rt.block_on<q::CollectAll>(body);
    ASSERT_FALSE(outcome.is_panicked() || outcome.is_err()) << outcome;
    EXPECT_EQ(post.taken.load(), 8000);
    EXPECT_EQ(post.notify.statistics().waiters, 0u);
  }
}

q::Task<int> march(q::Cx cx, q::Barrier* barrier, std::atomic<int>* step, int rounds) {
  int led = 0;
  for (int i = 0; i < rounds; ++i) {
    step->fetch_add(1);
    const bool leads = co_await barrier->arrive_and_wait(cx);
    led += leads ? 1 : 0;
  }
  co_return led;
}

TEST(BarrierStress, EveryRoundHasOneLeader) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  q::Barrier barrier(8);
  std::atomic<int> steps{0};
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<int> {
    std::vector<q::TaskHandle<int>> tasks;
    for (int i = 0; i < 8; ++i)
      tasks.push_back(co_await scope.spawn(cx, march, q::unsafe_send(&barrier), q::unsafe_send(&steps), 500));
    int led = 0;
    for (auto& task : tasks) led += co_await task.join(cx);
    co_return led;
  };
  q::Outcome<int> led = rt.block_on(body);
  ASSERT_TRUE(led.is_ok()) << led;
  EXPECT_EQ(led.value(), 500);
  EXPECT_EQ(steps.load(), 4000);
  EXPECT_EQ(barrier.statistics().rounds, 500u);
}

q::Task<> count(q::Cx cx, q::Latch* latch) {
  co_await cx.yield();
  latch->count_down();
}
q::Task<> wait_for(q::Cx cx, q::Latch* latch) { co_await latch->wait(cx); }

TEST(LatchStress, AllThatWaitGoOn) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  for (int round = 0; round < 50; ++round) {
    q::Latch latch(16);
    auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
      for (int i = 0; i < 16; ++i) {
        co_await scope.launch(cx, count, q::unsafe_send(&latch));
        co_await scope.launch(cx, wait_for, q::unsafe_send(&latch));
      }
    };
    q::Outcome<> outcome = rt.block_on(body);
    ASSERT_TRUE(outcome.is_ok()) << outcome;
    EXPECT_TRUE(latch.try_wait());
  }
}

}  // namespace
