#pragma once
// A spin lock of four bytes that costs nothing to one thread as long as nobody else comes: for what may be used by one worker or by
// many, and of which there are too many for more bytes each.
//
// A locker's number is its thread's, one in the process (thread_context.hpp); `nobody` is for those who have none, and who take the word.
//
// Protocol:
//  1. `word_` is a spin lock. Without an owner it is the lock.
//  2. With an owner that one does not take the word. It marks itself as inside, in its own presence (presence.hpp), then looks whether
//     it is still the owner: then it holds the lock, and takes the mark back to let it go. Otherwise it takes the mark back at once,
//     and takes the word like all others.
//  3. Anybody else takes the word, and if there is an owner, revokes it: writes that there is none, then waits until that one has no
//     mark of this lock. From then on whoever has the word has the lock.
//  4. Only a locker makes itself the owner, and only while it holds the word: after it has been the last `needed` times in a row. Each
//     revocation doubles that. So what costs the revoker microseconds comes rarely, and hardly ever where several use the lock.
//
// Why 2 and 3 never hold both: the owner stores its mark and then reads `who_`; the revoker stores `who_` and then reads the owner's
// marks. In the order that all agree on one of the two reads comes after the other's store. On real machines the owner's store is
// an ordinary one: the revoker makes every thread of the process pass a barrier between its store and its read (membarrier), which
// gives the same order. That is the asymmetric fence of Dice, Moir and Scherer, "Quickly Reacquirable Locks" (2003), and of the
// Linux system call's authors. Where there is no such call, and under ThreadSanitizer, which does not know it, nobody becomes owner.
// An owner that is revoked between its look and its mark marks itself late: nobody asks for that mark any more, and it finds out.
//
// Orders: taking and leaving the word are acquire and release. The revoker's read of a mark that was taken back acquires what the owner
// did before. What the owner reads was either its own doing or is behind the word, which it held when it became the owner.
#include <cstdint>

#include "quiesce/detail/kernel/platform.hpp"
#include "quiesce/detail/kernel/presence.hpp"

namespace quiesce::detail {

template <class Platform = RealPlatform>
class KeptLock {
 public:
  static constexpr std::uint8_t nobody = 0, number_max = 127;
  /// How it is held: by a mark of the owner, or, as nullptr, by the word.
  using Mark = typename Presence<Platform>::Mark;

  KeptLock() noexcept = default;
  KeptLock(const KeptLock&) = delete;
  KeptLock& operator=(const KeptLock&) = delete;

  [[nodiscard]] Mark* enter(std::uint8_t self) noexcept {
    if (Mark* const mark = enter_as_owner(self)) [[likely]]
      return mark;
    enter_by_word(self);
    return nullptr;
  }
  /// nullptr: it is not held.
  [[nodiscard]] Mark* enter_as_owner(std::uint8_t self) noexcept {
    if (who_.load(std::memory_order_relaxed) != (self | owns)) return nullptr;
    Mark* const mark = Platform::presence(self).free_mark();
    if (mark == nullptr) [[unlikely]]
      return nullptr;
    Platform::announce(*mark, static_cast<const void*>(this));
    if (who_.load(std::memory_order_seq_cst) == (self | owns)) [[likely]]
      return mark;
    leave_as_owner(*mark);
    return nullptr;
  }
  /// As `enter` where it is not the owner.
  [[gnu::noinline]] void enter_by_word(std::uint8_t self) noexcept {
    if (word_.exchange(held, std::memory_order_acquire) != free) [[unlikely]]
      wait_for_word();
    if ((who_.load(std::memory_order_relaxed) & owns) != 0) [[unlikely]]
      revoke();
    const std::uint8_t last = who_.load(std::memory_order_relaxed);
    if (last != self) {
      who_.store(self, std::memory_order_relaxed);
      row_ = 0;
    } else if (self == nobody) {
      return;
    }
    if (++row_ < Platform::owned_after << doublings_) return;
    row_ = 0;
    if (self != nobody && Platform::can_fence_all()) who_.store(self | owns, std::memory_order_relaxed);
  }
  void leave(Mark* mark) noexcept {
    if (mark != nullptr) return leave_as_owner(*mark);
    word_.store(free, std::memory_order_release);
  }
  /// Of one who does so rarely, whatever its number: std::scoped_lock takes it.
  void lock() noexcept { enter_by_word(nobody); }
  void unlock() noexcept { leave(nullptr); }
  static void leave_as_owner(Mark& mark) noexcept { mark.store(nullptr, std::memory_order_release); }

  /// By the word, at some moment just now: a hint, which orders nothing.
  [[nodiscard]] bool is_taken() const noexcept { return word_.load(std::memory_order_relaxed) != free; }

  class [[nodiscard]] Hold {
   public:
    Hold(KeptLock& lock, std::uint8_t self) noexcept : lock_(lock), mark_(lock.enter(self)) {}
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() { lock_.leave(mark_); }

   private:
    KeptLock& lock_;
    Mark* const mark_;
  };

 private:
  static constexpr std::uint8_t free = 0, held = 1, owns = 128;
  static constexpr std::uint32_t row_bits = 13, doublings_max = Platform::owned_doublings_max;
  static_assert(Platform::owned_after << doublings_max < 1u << row_bits && doublings_max < 8);

  [[gnu::noinline]] void wait_for_word() noexcept {
    const std::int64_t since = Platform::clock_ns();
    do {
      for (std::uint32_t attempt = 0; word_.load(std::memory_order_relaxed) != free; ++attempt)
        Platform::back_off(attempt);
    } while (word_.exchange(held, std::memory_order_acquire) != free);
    Platform::note_contended(Platform::clock_ns() - since);
  }
  [[gnu::noinline]] void revoke() noexcept {
    const std::uint32_t owner = who_.load(std::memory_order_relaxed) & number_max;
    who_.store(nobody, std::memory_order_seq_cst);
    Platform::fence_all();
    for (std::uint32_t attempt = 0; Platform::presence(owner).is_in(this); ++attempt)
      Platform::back_off(attempt);
    if (doublings_ < doublings_max) ++doublings_;
  }

  template <class T>
  using atomic = typename Platform::template atomic<T>;
  atomic<std::uint8_t> word_{free};
  atomic<std::uint8_t> who_{
      nobody};  // the owner, with a bit that says so, or else who took the word last; written with the word
  std::uint16_t row_ : row_bits = 0;  // these two: with the word
  std::uint16_t doublings_ : 16 - row_bits = 0;
};
static_assert(sizeof(KeptLock<>) == 4);

}  // namespace quiesce::detail
