// When the two locks that have owners are owned, and what that saves: kernel/owned_lock.hpp and kernel/kept_lock.hpp.
#include "quiesce/detail/kernel/owned_lock.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <thread>

#include "quiesce/detail/kernel/kept_lock.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce::detail {
namespace {

/// Counts what the locks ask of the machine.
struct CountingPlatform : RealPlatform {
  static inline int announced = 0, fences = 0;
  static inline bool can = true;
  template <class T>
  static void announce(atomic<T>& word, std::type_identity_t<T> value) noexcept {
    ++announced;
    RealPlatform::announce(word, value);
  }
  static void fence_all() noexcept { ++fences; }
  static bool can_fence_all() noexcept { return can; }
  static inline std::atomic<int> attempts{0};
  static void back_off(std::uint32_t attempt) noexcept {
    ++attempts;
    RealPlatform::back_off(attempt);
  }
  static std::int64_t clock_ns() noexcept { return clock += 1000; }
  static inline std::int64_t clock = 0;
  static constexpr std::uint32_t owned_after = 4, owned_doublings_max = 2;
};

struct LocksWithOwners : ::testing::Test {
  void SetUp() override {
    CountingPlatform::announced = CountingPlatform::fences = 0;
    CountingPlatform::can = true;
  }
};

/// How many of so many holds were the owner's.
template <class Lock, class Self>
int owned_of(Lock& lock, Self self, int times) {
  const int before = CountingPlatform::announced;
  for (int i = 0; i < times; ++i) const typename Lock::Hold held(lock, self);
  return CountingPlatform::announced - before;
}

// ---- of one owner ----

struct OwnedLockTest : LocksWithOwners {
  OwnedLock<CountingPlatform> lock;
};

TEST_F(OwnedLockTest, TheOwnerOwnsItOnceItCameOftenEnoughInARow) {
  EXPECT_EQ(owned_of(lock, true, 10), 6) << "after the fourth";
  EXPECT_EQ(CountingPlatform::fences, 0);
}

TEST_F(OwnedLockTest, AnotherBreaksTheRow) {
  owned_of(lock, true, 3);
  owned_of(lock, false, 1);
  EXPECT_EQ(owned_of(lock, true, 4), 0);
  EXPECT_EQ(owned_of(lock, true, 1), 1);
}

TEST_F(OwnedLockTest, NobodyElseOwnsIt) {
  EXPECT_EQ(owned_of(lock, false, 100), 0);
  EXPECT_EQ(CountingPlatform::fences, 0);
}

TEST_F(OwnedLockTest, EachRevocationMakesTheNextRowTwiceAsLong) {
  owned_of(lock, true, 6);
  owned_of(lock, false, 1);
  EXPECT_EQ(CountingPlatform::fences, 1);
  EXPECT_EQ(owned_of(lock, true, 20), 12) << "after eight";
  { const std::scoped_lock held(lock); }
  EXPECT_EQ(CountingPlatform::fences, 2);
  EXPECT_EQ(owned_of(lock, true, 20), 4) << "after sixteen";
}

TEST_F(OwnedLockTest, WhereThereIsNoFenceItIsASpinLock) {
  CountingPlatform::can = false;
  EXPECT_EQ(owned_of(lock, true, 100), 0);
}

// ---- of one owner after the other ----

struct KeptLockTest : LocksWithOwners {
  using Lock = KeptLock<CountingPlatform>;
  /// Numbers that no thread has meanwhile.
  const std::uint8_t one = take_locker(), two = take_locker();
  Lock lock;

  ~KeptLockTest() override {
    give_back_locker(one);
    give_back_locker(two);
  }
};

TEST_F(KeptLockTest, WhoComesOftenEnoughInARowOwnsIt) {
  EXPECT_EQ(owned_of(lock, one, 10), 6) << "after the fourth";
  EXPECT_EQ(CountingPlatform::fences, 0);
  EXPECT_EQ(owned_of(lock, two, 10), 2) << "after eight, for it had to be revoked";
  EXPECT_EQ(CountingPlatform::fences, 1);
}

TEST_F(KeptLockTest, AnotherBreaksTheRow) {
  owned_of(lock, one, 3);
  owned_of(lock, two, 1);
  EXPECT_EQ(owned_of(lock, one, 4), 0);
  EXPECT_EQ(owned_of(lock, one, 1), 1);
}

TEST_F(KeptLockTest, WithoutANumberNobodyOwnsIt) {
  EXPECT_EQ(owned_of(lock, Lock::nobody, 100), 0);
  owned_of(lock, one, 3);
  { const std::scoped_lock held(lock); }
  EXPECT_EQ(owned_of(lock, one, 4), 0);
  EXPECT_EQ(CountingPlatform::fences, 0);
}

TEST_F(KeptLockTest, TheRowIsAtMostSoOftenTwiceAsLong) {
  for (int revocation = 1; revocation <= 5; ++revocation) {
    owned_of(lock, one, 20);
    owned_of(lock, two, 1);
    EXPECT_EQ(CountingPlatform::fences, revocation);
  }
  EXPECT_EQ(owned_of(lock, one, 20), 4) << "after sixteen, as often as it was revoked";
}

TEST_F(KeptLockTest, SeveralAreHeldByTheirOwnerAsFarAsItHasMarks) {
  std::array<Lock, RealPlatform::presence_marks + 1> locks;
  for (Lock& each : locks) owned_of(each, one, 4);
  std::array<Lock::Mark*, locks.size()> marks{};
  for (std::size_t i = 0; i < locks.size(); ++i) marks[i] = locks[i].enter(one);
  EXPECT_TRUE(std::all_of(marks.begin(), marks.end() - 1, [](const auto* mark) { return mark != nullptr; }));
  EXPECT_EQ(marks.back(), nullptr) << "by the word, which takes it from itself";
  EXPECT_EQ(CountingPlatform::fences, 1);
  for (std::size_t i = 0; i < locks.size(); ++i) locks[i].leave(marks[i]);
  EXPECT_EQ(owned_of(locks[0], one, 1), 1);
}

TEST_F(KeptLockTest, HowLongOneWaitedForItIsNoted) {
  std::int64_t waited = 0;
  CountingPlatform::attempts.store(0);
  lock.lock();
  std::thread other([&] {
    const std::int64_t before = thread_context.contended_ns;
    owned_of(lock, one, 3);
    waited = thread_context.contended_ns - before;
  });
  while (CountingPlatform::attempts.load() == 0) std::this_thread::yield();
  lock.unlock();
  other.join();
  EXPECT_EQ(waited, 1000) << "once, for one tick of the clock";
}

TEST_F(KeptLockTest, WhereThereIsNoFenceItIsASpinLock) {
  CountingPlatform::can = false;
  EXPECT_EQ(owned_of(lock, one, 100), 0);
}

}  // namespace
}  // namespace quiesce::detail
