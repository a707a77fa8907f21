#include "quiesce/detail/kernel/spin_lock.hpp"

#include <gtest/gtest.h>

#include <mutex>

namespace quiesce::detail {
namespace {

TEST(SpinLock, IsHeldByOneAtATime) {
  SpinLock<> lock;
  ASSERT_TRUE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock());
  lock.unlock();
  {
    std::scoped_lock guard(lock);
    EXPECT_FALSE(lock.try_lock());
  }
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

// A platform that counts how a waiter gives way, and frees the lock at the third time.
struct ScriptedPlatform : RealPlatform {
  static inline std::uint32_t back_offs = 0;
  static inline SpinLock<ScriptedPlatform>* contended = nullptr;
  static void back_off(std::uint32_t attempt) noexcept {
    EXPECT_EQ(attempt, back_offs);
    if (++back_offs == 3) contended->unlock();
  }
};

TEST(SpinLock, BacksOffFurtherWithEachLookUntilItIsFree) {
  SpinLock<ScriptedPlatform> lock;
  ScriptedPlatform::contended = &lock;
  lock.lock();
  lock.lock();
  EXPECT_EQ(ScriptedPlatform::back_offs, 3u);
  lock.unlock();
}

}  // namespace
}  // namespace quiesce::detail
