#pragma once
// What the lock-free parts stand on: atomics, a futex, and two ways of giving way.
//
// Every lock-free part is a template over a Platform and reaches shared memory only through it, so that the
// very same source runs on real threads and under the lab's explorer. A platform provides
//
//   template <class T> using atomic       an atomic with the interface of std::atomic
//   bool wait(word, expected, deadline)   sleeps while word == expected; may return early for no reason; false
//                                         only when the deadline (absolute, steady-clock ns) has passed
//   void wake_one(word), wake_all(word)   end the sleep of one or of all who wait on the word
//   void pause()                          a hint in a loop that waits for another thread's next instructions
//   void announce(word, value)            a store that comes before the caller's next load, for who has passed fence_all
//   void fence_all()                      every thread's stores and loads so far come before the caller's next load
//   bool can_fence_all()                  else these two do not work
//   owned_after, owned_doublings_max      see owned_lock.hpp, kept_lock.hpp
//   presence(number), presence_marks      see presence.hpp
//   clock_ns(), note_contended(ns)        what time it is; the caller has waited so long for a short lock
//   void back_off(attempt)                what a loop does between its attempts 0, 1, 2, …: first it pauses,
//                                         then gives up the processor, so that a preempted peer gets to run
//
// `wait` and `wake` order nothing: whoever sleeps reads the word again with the order that it needs. A wake may
// reach a word whose owner is gone: only the address is used.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

namespace quiesce::detail {

template <class Platform>
class Presence;

struct RealPlatform {
  template <class T>
  using atomic = std::atomic<T>;

  static bool wait(atomic<std::uint32_t>& word, std::uint32_t expected,
                   std::optional<std::int64_t> deadline_ns = std::nullopt) noexcept;
  static void wake_one(atomic<std::uint32_t>& word) noexcept;
  static void wake_all(atomic<std::uint32_t>& word) noexcept;

  static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  template <class T>
  static void announce(atomic<T>& word, std::type_identity_t<T> value) noexcept {
    word.store(value, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  /// Microseconds: it interrupts every core that runs a thread of this process.
  static void fence_all() noexcept;
  static bool can_fence_all() noexcept;
  static constexpr std::uint32_t owned_after = 64, owned_doublings_max = 4;
  /// Where the thread of that number marks which locks it holds as their owner (presence.hpp).
  static Presence<RealPlatform>& presence(std::uint32_t number) noexcept;
  static constexpr std::uint32_t presences_max = 128, presence_marks = 4;

  /// This thread has just waited so long for a short lock.
  static void note_contended(std::int64_t ns) noexcept;
  /// Of the steady clock.
  static std::int64_t clock_ns() noexcept;

  /// Two cache lines of what will soon be used, `ahead` bytes from `what`. There need not be anything.
  static void prefetch(const void* what, std::size_t ahead = 0) noexcept {
    const std::uintptr_t at =
        reinterpret_cast<std::uintptr_t>(what) + ahead;  // a pointer may not point beyond what there is
    __builtin_prefetch(reinterpret_cast<const void*>(at));
    __builtin_prefetch(reinterpret_cast<const void*>(at + 64));
  }

  /// The whole pages of memory that is about to be written, all at once: a third less than a fault for each. It may do nothing.
  static void make_present(void* begin, std::size_t bytes) noexcept;
  /// Gives the system memory that nobody will write for long. True: it reads as zeros from here on. False: nothing has changed, since the
  /// pages are larger than that, or locked.
  [[nodiscard]] static bool give_back(void* begin, std::size_t bytes) noexcept;
  /// Whole pages of zeros, as long as the process; what they point to is not leaked. nullptr: there are none.
  static void* map_zeros(std::size_t bytes) noexcept;

  /// Attempts below this bound only pause.
  static constexpr std::uint32_t pause_attempts_max = 64;
  static void back_off(std::uint32_t attempt) noexcept {
    if (attempt < pause_attempts_max) return pause();
    give_way(attempt - pause_attempts_max);
  }

 private:
  static void give_way(std::uint32_t attempt) noexcept;
};

}  // namespace quiesce::detail
