#include "quiesce/detail/kernel/platform.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace quiesce::detail {
namespace {

std::int64_t steady_ns() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

TEST(RealPlatform, WaitReturnsAtOnceWhenTheWordDiffers) {
  std::atomic<std::uint32_t> word{1};
  EXPECT_TRUE(RealPlatform::wait(word, 0));
}

TEST(RealPlatform, WaitSaysThatItsDeadlineHasPassedAndNotBefore) {
  std::atomic<std::uint32_t> word{0};
  const std::int64_t deadline = steady_ns() + 1'000'000;
  while (RealPlatform::wait(word, 0, deadline)) EXPECT_LT(steady_ns(), deadline + 60'000'000'000);
  EXPECT_GE(steady_ns(), deadline);
}

TEST(RealPlatform, WaitTakesADeadlineOfLongAgo) {
  std::atomic<std::uint32_t> word{0};
  EXPECT_FALSE(RealPlatform::wait(word, 0, 1));
  EXPECT_FALSE(RealPlatform::wait(word, 0, -1));
}

TEST(RealPlatform, WaitLeavesErrnoAlone) {
  std::atomic<std::uint32_t> word{0};
  errno = EDOM;
  EXPECT_FALSE(RealPlatform::wait(word, 0, 1));
  EXPECT_EQ(errno, EDOM);
}

TEST(RealPlatform, WakeEndsAWait) {
  std::atomic<std::uint32_t> word{0};
  std::thread waiter([&] {
    while (word.load(std::memory_order_acquire) == 0) RealPlatform::wait(word, 0);
  });
  word.store(1, std::memory_order_release);
  RealPlatform::wake_all(word);
  waiter.join();
  EXPECT_EQ(word.load(), 1u);
}

}  // namespace
}  // namespace quiesce::detail
