#pragma once
// A spin lock that costs its owner no locked instruction: for what one worker locks all the time and others now and then. Who that is
// is a matter of what it guards: one thread, for the lock's life.
//
// Protocol:
//  1. `word_` is a spin lock. While it is not owned it is the lock.
//  2. While it is, the owner does not take the word. It says in `inside_` that it is inside, then looks whether it still owns the lock:
//     then it holds it, and clears `inside_` to let it go. Otherwise it clears `inside_` at once and takes the word like all others.
//  3. Anybody else takes the word, and if the lock is owned, revokes that: writes that it is not, then waits until `inside_` is
//     clear. From then on whoever has the word has the lock.
//  4. The owner makes it owned while it holds the word: after it has been the last `needed_` times in a row. Each revocation doubles
//     `needed_`. So what costs the revoker microseconds comes rarely, and hardly ever where it comes often.
//  5. Nobody else ever writes `inside_`: an owner that was stopped between its look and its word may say so when it has been revoked
//     long ago, and would take back what another has said. (Where there may be several owners, one after the other: kept_lock.hpp,
//     which also says why 2 and 3 never hold both, and what the orders are for.)
#include <algorithm>
#include <cstdint>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce::detail {

template <class Platform = RealPlatform>
class OwnedLock {
 public:
  static constexpr std::uint32_t needed_first = Platform::owned_after, needed_max = 1u << 16;

  OwnedLock() noexcept = default;
  OwnedLock(const OwnedLock&) = delete;
  OwnedLock& operator=(const OwnedLock&) = delete;

  /// Of another than the owner, or of the owner where it comes rarely: std::scoped_lock takes it.
  void lock() noexcept {
    take_word();
    row_ = 0;
  }
  void unlock() noexcept { word_.store(free, std::memory_order_release); }

  /// The owner. False: it is not held, and `Hold` is to be used.
  [[nodiscard]] bool enter_as_owner() noexcept {
    if (!owned_.load(std::memory_order_relaxed)) return false;
    Platform::announce(inside_, true);
    if (owned_.load(std::memory_order_seq_cst)) [[likely]]
      return true;
    leave_as_owner();
    return false;
  }
  void leave_as_owner() noexcept { inside_.store(false, std::memory_order_release); }

  /// Of anybody, who says whether it is the owner.
  class [[nodiscard]] Hold {
   public:
    Hold(OwnedLock& lock, bool is_owner) noexcept : lock_(lock), is_inside_(is_owner && lock.enter_as_owner()) {
      if (is_inside_) [[likely]]
        return;
      is_owner ? lock.enter_by_word() : lock.lock();
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() {
      if (is_inside_) [[likely]]
        lock_.leave_as_owner();
      else
        lock_.unlock();
    }

   private:
    OwnedLock& lock_;
    const bool is_inside_;
  };

 private:
  static constexpr std::uint32_t free = 0, held = 1;

  /// The owner, which has found that it does not own the lock.
  [[gnu::noinline]] void enter_by_word() noexcept {
    take_word();
    if (++row_ < needed_ || !Platform::can_fence_all()) return;
    row_ = 0;
    owned_.store(true, std::memory_order_relaxed);
  }
  [[gnu::noinline]] void take_word() noexcept {
    while (word_.exchange(held, std::memory_order_acquire) != free) {
      for (std::uint32_t attempt = 0; word_.load(std::memory_order_relaxed) != free; ++attempt)
        Platform::back_off(attempt);
    }
    if (owned_.load(std::memory_order_relaxed)) [[unlikely]]
      revoke();
  }
  [[gnu::noinline]] void revoke() noexcept {
    owned_.store(false, std::memory_order_seq_cst);
    Platform::fence_all();
    for (std::uint32_t attempt = 0; inside_.load(std::memory_order_seq_cst); ++attempt)
      Platform::back_off(attempt);
    needed_ = std::min(needed_ * 2, needed_max);
  }

  template <class T>
  using atomic = typename Platform::template atomic<T>;
  atomic<std::uint32_t> word_{free};
  atomic<bool> owned_{false};   // written with the word
  atomic<bool> inside_{false};  // the owner's
  std::uint32_t row_ = 0;       // these two: with the word
  std::uint32_t needed_ = needed_first;
};

}  // namespace quiesce::detail
