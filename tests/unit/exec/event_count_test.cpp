#include "quiesce/detail/exec/event_count.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace quiesce::detail {
namespace {

constexpr std::int64_t long_ago_ns = 1;

TEST(EventCount, NotifyingNobodyClaimsNobody) {
  EventCount<> events;
  EXPECT_FALSE(events.notify_one());
  events.notify_all();
  auto key = events.prepare_wait();
  EXPECT_FALSE(events.commit_wait(key, long_ago_ns))
      << "a notification from before prepare_wait must not end the wait";
  EXPECT_EQ(events.waiters(), 0u);
}

TEST(EventCount, ANotificationBetweenPrepareAndCommitEndsTheWait) {
  EventCount<> events;
  auto key = events.prepare_wait();
  EXPECT_TRUE(events.notify_one());
  EXPECT_TRUE(events.commit_wait(key));
  EXPECT_EQ(events.waiters(), 0u);
}

TEST(EventCount, AClaimedWaiterIsNotClaimedTwice) {
  EventCount<> events;
  auto key = events.prepare_wait();
  EXPECT_TRUE(events.notify_one());
  EXPECT_FALSE(events.notify_one());
  EXPECT_TRUE(events.commit_wait(key));
}

TEST(EventCount, CancellingLeavesNoTrace) {
  EventCount<> events;
  EXPECT_FALSE(events.cancel_wait(events.prepare_wait()));
  EXPECT_EQ(events.waiters(), 0u);
  EXPECT_FALSE(events.notify_one());
}

TEST(EventCount, CancellingConsumesANotificationThatCameFirst) {
  EventCount<> events;
  auto key = events.prepare_wait();
  ASSERT_TRUE(events.notify_one());
  EXPECT_TRUE(events.cancel_wait(key));
  key = events.prepare_wait();
  EXPECT_FALSE(events.commit_wait(key, long_ago_ns));
}

TEST(EventCount, NotifyAllEndsEveryWait) {
  EventCount<> events;
  auto first = events.prepare_wait(), second = events.prepare_wait();
  EXPECT_EQ(events.waiters(), 2u);
  events.notify_all();
  EXPECT_EQ(events.waiters(), 0u);
  EXPECT_TRUE(events.commit_wait(first));
  EXPECT_TRUE(events.commit_wait(second));
}

TEST(EventCount, WakesASleeper) {
  EventCount<> events;
  std::atomic<bool> ready{false};
  std::thread sleeper([&] {
    while (!ready.load()) {
      auto key = events.prepare_wait();
      if (ready.load()) {
        events.cancel_wait(key);
      } else {
        EXPECT_TRUE(events.commit_wait(key));
      }
    }
  });
  while (events.waiters() == 0) std::this_thread::yield();
  ready.store(true);
  EXPECT_TRUE(events.notify_one());
  sleeper.join();
  EXPECT_EQ(events.waiters(), 0u);
}

}  // namespace
}  // namespace quiesce::detail
