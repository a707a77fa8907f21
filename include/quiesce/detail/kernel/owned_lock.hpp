#pragma once
// A spin lock that costs its owner no locked instruction: for what one worker locks all the time and others now and then.
//
// Every locker has a number; several that lock at the same time have different ones. `nobody` is for those who have none.
//
// Protocol:
//  1. `word_` is a spin lock. Without an owner it is the lock.
//  2. With an owner that one does not take the word. It announces itself in `inside_`, then looks whether it is still the owner: then
//     it holds the lock, and clears `inside_` to let it go. Otherwise it clears `inside_` at once and takes the word like all others.
//  3. Anybody else takes the word, and if there is an owner, revokes it: writes that there is none, then waits until `inside_` is
//     clear. From then on whoever has the word has the lock.
//  4. Only a locker makes itself the owner, and only while it holds the word: after it has been the last `needed_` times in a row. Each
//     revocation doubles `needed_`. So what costs the revoker microseconds comes rarely, and hardly ever where it comes often.
//
// Why 2 and 3 never hold both: the owner stores `inside_` and then reads `owner_`; the revoker stores `owner_` and then reads
// `inside_`. In the order that all agree on one of the two reads comes after the other's store. On real machines the owner's store is
// an ordinary one: the revoker makes every thread of the process pass a barrier between its store and its read (membarrier), which
// gives the same order. That is the asymmetric fence of Dice, Moir and Scherer, "Quickly Reacquirable Locks" (2003), and of the
// Linux system call's authors. Where there is no such call, and under ThreadSanitizer, which does not know it, nobody becomes owner.
//
// Orders: taking and leaving the word are acquire and release. The revoker's read of a clear `inside_` acquires what the owner's
// release store of it published. What the owner reads was either its own doing or is behind the word, which it held when it became owner.
#include <algorithm>
#include <cstdint>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce::detail {

template <class Platform = RealPlatform>
class OwnedLock {
 public:
  static constexpr std::uint32_t nobody = 0;
  static constexpr std::uint32_t needed_first = Platform::owned_after, needed_max = 1u << 16;

  OwnedLock() noexcept = default;
  OwnedLock(const OwnedLock&) = delete;
  OwnedLock& operator=(const OwnedLock&) = delete;

  /// Of one who does so rarely, whatever its number: std::scoped_lock takes it.
  void lock() noexcept {
    take_word();
    last_ = nobody;
  }
  void unlock() noexcept { word_.store(free, std::memory_order_release); }

  /// Takes the lock of one who is its owner already. False: it is not held, and `Hold` is to be used.
  [[nodiscard]] bool enter_as_owner(std::uint32_t self) noexcept {
    if (self == nobody || owner_.load(std::memory_order_relaxed) != self) return false;
    Platform::announce(inside_, 1);
    if (owner_.load(std::memory_order_seq_cst) == self) [[likely]]
      return true;
    leave_as_owner();
    return false;
  }
  void leave_as_owner() noexcept { inside_.store(0, std::memory_order_release); }

  /// Of one who is, or may become, the owner.
  class [[nodiscard]] Hold {
   public:
    Hold(OwnedLock& lock, std::uint32_t self) noexcept : lock_(lock), by_ownership_(lock.enter(self)) {}
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() {
      if (by_ownership_) [[likely]]
        lock_.leave_as_owner();
      else
        lock_.unlock();
    }

   private:
    OwnedLock& lock_;
    const bool by_ownership_;
  };

 private:
  static constexpr std::uint32_t free = 0, held = 1;

  /// True: by 2. False: with the word.
  bool enter(std::uint32_t self) noexcept {
    if (enter_as_owner(self)) [[likely]]
      return true;
    enter_by_word(self);
    return false;
  }
  [[gnu::noinline]] void enter_by_word(std::uint32_t self) noexcept {
    take_word();
    if (last_ != self) {
      last_ = self;
      row_ = 0;
    }
    if (self == nobody || ++row_ < needed_ || !Platform::can_fence_all()) return;
    row_ = 0;
    owner_.store(self, std::memory_order_relaxed);
  }
  void take_word() noexcept {
    while (word_.exchange(held, std::memory_order_acquire) != free) {
      for (std::uint32_t attempt = 0; word_.load(std::memory_order_relaxed) != free; ++attempt)
        Platform::back_off(attempt);
    }
    if (owner_.load(std::memory_order_relaxed) != nobody) [[unlikely]]
      revoke();
  }
  [[gnu::noinline]] void revoke() noexcept {
    owner_.store(nobody, std::memory_order_seq_cst);
    Platform::fence_all();
    for (std::uint32_t attempt = 0; inside_.load(std::memory_order_seq_cst) != 0; ++attempt)
      Platform::back_off(attempt);
    needed_ = std::min(needed_ * 2, needed_max);
  }

  template <class T>
  using atomic = typename Platform::template atomic<T>;
  atomic<std::uint32_t> word_{free};
  atomic<std::uint32_t> owner_{nobody};  // written with the word
  atomic<std::uint32_t> inside_{0};      // the owner's
  std::uint32_t last_ = nobody;          // these three: with the word
  std::uint32_t row_ = 0;
  std::uint32_t needed_ = needed_first;
};

}  // namespace quiesce::detail
