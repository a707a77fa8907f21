#pragma once
// A lock of four bytes for critical sections of a few dozen instructions. Meets Lockable, so std::scoped_lock
// takes it.
//
// It is never held over a suspension, a system call or user code. It is neither fair nor recursive.
//
// Protocol:
//  1. The word is 0 (free) or 1 (held). Taking it is an exchange to 1 that returned 0; no load goes before the
//     first try, for a lock that nobody else holds would pay for the cache line twice.
//  2. Whoever lost looks at the word with loads only until it is 0, so that waiting does not take the line from
//     the holder, and backs off between looks: pauses first, then it gives up the processor (a holder may have
//     been preempted).
//  3. Unlocking is one plain store. A futex would need an exchange there to learn of sleepers, which doubles
//     the price of the case that matters, the lock nobody else wants.
//
// Orders: the exchange is acquire and pairs with the release store of the previous holder's unlock. The loads
// of 2 order nothing; the exchange that follows does.
#include <cstdint>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce::detail {

template <class Platform = RealPlatform>
class SpinLock {
 public:
  SpinLock() noexcept = default;
  SpinLock(const SpinLock&) = delete;
  SpinLock& operator=(const SpinLock&) = delete;

  void lock() noexcept {
    while (word_.exchange(held, std::memory_order_acquire) != free) wait_until_free();
  }

  [[nodiscard]] bool try_lock() noexcept {
    return word_.load(std::memory_order_relaxed) == free &&
           word_.exchange(held, std::memory_order_acquire) == free;
  }

  /// At some moment just now: a hint, which orders nothing.
  [[nodiscard]] bool is_held() const noexcept { return word_.load(std::memory_order_relaxed) != free; }

  void unlock() noexcept { word_.store(free, std::memory_order_release); }

 private:
  static constexpr std::uint32_t free = 0, held = 1;

  void wait_until_free() noexcept {
    for (std::uint32_t attempt = 0; word_.load(std::memory_order_relaxed) != free; ++attempt)
      Platform::back_off(attempt);
  }

  typename Platform::template atomic<std::uint32_t> word_{free};
};

static_assert(sizeof(SpinLock<>) == 4);

}  // namespace quiesce::detail
