#include "quiesce/detail/kernel/owned_lock.hpp"

#include <gtest/gtest.h>

#include <mutex>

namespace quiesce::detail {
namespace {

/// Counts what the lock asks of the machine.
struct CountingPlatform : RealPlatform {
  static inline int announced = 0, fences = 0;
  static inline bool can = true;
  static void announce(atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
    ++announced;
    RealPlatform::announce(word, value);
  }
  static void fence_all() noexcept { ++fences; }
  static bool can_fence_all() noexcept { return can; }
  static constexpr std::uint32_t owned_after = 4;
};

class OwnedLockTest : public ::testing::Test {
 protected:
  using Lock = OwnedLock<CountingPlatform>;
  void SetUp() override {
    CountingPlatform::announced = CountingPlatform::fences = 0;
    CountingPlatform::can = true;
  }
  void hold(std::uint32_t self, int times) {
    for (int i = 0; i < times; ++i) const Lock::Hold held(lock, self);
  }
  /// How many of so many holds were the owner's.
  int owned_of(std::uint32_t self, int times) {
    const int before = CountingPlatform::announced;
    hold(self, times);
    return CountingPlatform::announced - before;
  }
  Lock lock;
};

TEST_F(OwnedLockTest, WhoHasItOftenEnoughInARowOwnsIt) {
  EXPECT_EQ(owned_of(1, 10), 6) << "the fourth makes it the owner";
  EXPECT_EQ(CountingPlatform::fences, 0);
}

TEST_F(OwnedLockTest, AnotherBreaksTheRow) {
  hold(1, 3);
  hold(2, 1);
  EXPECT_EQ(owned_of(1, 4), 0);
  EXPECT_EQ(owned_of(1, 1), 1);
}

TEST_F(OwnedLockTest, WithoutANumberNobodyOwnsIt) {
  EXPECT_EQ(owned_of(Lock::nobody, 100), 0);
  hold(1, 3);
  { const std::scoped_lock held(lock); }
  EXPECT_EQ(owned_of(1, 4), 0);
  EXPECT_EQ(CountingPlatform::fences, 0);
}

TEST_F(OwnedLockTest, EachRevocationMakesTheNextRowTwiceAsLong) {
  hold(1, 6);
  hold(2, 1);
  EXPECT_EQ(CountingPlatform::fences, 1);
  EXPECT_EQ(owned_of(1, 20), 12) << "after eight";
  { const std::scoped_lock held(lock); }
  EXPECT_EQ(CountingPlatform::fences, 2);
  EXPECT_EQ(owned_of(1, 20), 4) << "after sixteen";
}

TEST_F(OwnedLockTest, WhereThereIsNoFenceItIsASpinLock) {
  CountingPlatform::can = false;
  EXPECT_EQ(owned_of(1, 100), 0);
}

}  // namespace
}  // namespace quiesce::detail
