#pragma once
// A spin lock of four bytes that costs nothing to one worker as long as nobody else comes: for what may be used by one worker or by
// many, and of which there are too many for an OwnedLock each. Its protocol is that of owned_lock.hpp; what differs is how it counts:
//  1. `who_` is the owner, with a bit that says so, or else who took the word last.
//  2. Who takes the word `owned_after` times in a row becomes the owner.
//  3. After so many revocations nobody becomes it again: what several workers use pays for no more than these.
// A locker's number is its thread's, one in the process (thread_context.hpp): a lock is not of one runtime. Who has none takes the word.
#include <cstdint>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce::detail {

template <class Platform = RealPlatform>
class KeptLock {
 public:
  static constexpr std::uint8_t nobody = 0, number_max = 127;

  KeptLock() noexcept = default;
  KeptLock(const KeptLock&) = delete;
  KeptLock& operator=(const KeptLock&) = delete;

  /// True: as the owner, which `leave` must be told.
  [[nodiscard]] bool enter(std::uint8_t self) noexcept {
    if (enter_as_owner(self)) [[likely]]
      return true;
    enter_by_word(self);
    return false;
  }
  /// False: it is not the owner.
  [[nodiscard]] bool enter_as_owner(std::uint8_t self) noexcept {
    if (who_.load(std::memory_order_relaxed) != (self | owns)) return false;
    Platform::announce(inside_, std::uint8_t{1});
    if (who_.load(std::memory_order_seq_cst) == (self | owns)) [[likely]]
      return true;
    leave(true);
    return false;
  }
  /// As `enter` where it is not the owner.
  [[gnu::noinline]] void enter_by_word(std::uint8_t self) noexcept {
    while (word_.exchange(held, std::memory_order_acquire) != free) {
      for (std::uint32_t attempt = 0; word_.load(std::memory_order_relaxed) != free; ++attempt)
        Platform::back_off(attempt);
    }
    if (revocations_ == revocations_max) return;  // so there is no owner
    if ((who_.load(std::memory_order_relaxed) & owns) != 0) [[unlikely]]
      revoke();
    if (self == nobody || revocations_ == revocations_max) return;
    if (who_.load(std::memory_order_relaxed) != self) {
      who_.store(self, std::memory_order_relaxed);
      row_ = 0;
    }
    if (row_ + 1u < Platform::owned_after) {
      ++row_;
    } else if (Platform::can_fence_all()) {
      who_.store(self | owns, std::memory_order_relaxed);
    } else {
      revocations_ = revocations_max;
    }
  }
  void leave(bool as_owner) noexcept { (as_owner ? inside_ : word_).store(free, std::memory_order_release); }

  class [[nodiscard]] Hold {
   public:
    Hold(KeptLock& lock, std::uint8_t self) noexcept : lock_(lock), as_owner_(lock.enter(self)) {}
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() { lock_.leave(as_owner_); }

   private:
    KeptLock& lock_;
    const bool as_owner_;
  };

  /// At some moment just now: a hint, which orders nothing.
  [[nodiscard]] bool is_held() const noexcept {
    return word_.load(std::memory_order_relaxed) != free || inside_.load(std::memory_order_relaxed) != free;
  }

 private:
  static constexpr std::uint8_t free = 0, held = 1, owns = 128, revocations_max = 3;
  static_assert(Platform::owned_after <= 64);

  [[gnu::noinline]] void revoke() noexcept {
    who_.store(nobody, std::memory_order_seq_cst);
    Platform::fence_all();
    for (std::uint32_t attempt = 0; inside_.load(std::memory_order_seq_cst) != free; ++attempt)
      Platform::back_off(attempt);
    ++revocations_;
  }

  template <class T>
  using atomic = typename Platform::template atomic<T>;
  atomic<std::uint8_t> word_{free};
  atomic<std::uint8_t> inside_{free};  // the owner's
  atomic<std::uint8_t> who_{nobody};   // written with the word
  std::uint8_t row_ : 6 = 0;           // these two: with the word
  std::uint8_t revocations_ : 2 = 0;
};
static_assert(sizeof(KeptLock<>) == 4);

}  // namespace quiesce::detail
