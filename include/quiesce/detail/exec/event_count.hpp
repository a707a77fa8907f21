#pragma once
// Waiting for "something may have changed" without a lock around what changes.
//
//   waiter                                          notifier
//   auto key = events.prepare_wait();               publish;  // a seq_cst store or read-modify-write
//   if (look())  events.cancel_wait(key);           events.notify_one();
//   else         events.commit_wait(key, deadline);
//
// `look` reads what notifiers publish by seq_cst loads. When it saw nothing, a publication that it missed ends
// the wait. A wait may also end for no reason that the waiter can see (another took what it was woken for):
// look again.
//
// Protocol:
//  1. `waiters_` counts the threads that are prepared and that no notification has claimed; `signals_` counts
//     the claims that nobody has consumed yet. So waiters_ + signals_ (+ claims between the two steps of 3) is
//     the number of threads between prepare_wait and the end of their wait.
//  2. prepare_wait adds one to waiters_.
//  3. notify_one takes one off waiters_, if there is one, then adds one to signals_ and wakes a sleeper.
//     notify_all does so for all of waiters_. A notification with no waiter is one load; and once all waiters
//     are claimed, further ones are again one load each, although the claimed threads have not come to run yet.
//  4. commit_wait consumes a signal or sleeps on signals_ while it is 0. Units are nobody's in particular: each
//     of the waiting threads may consume any signal, and the others' counts still fit.
//  5. Leaving without a signal (cancel_wait, a passed deadline) takes one off waiters_, or else consumes a
//     signal, whichever is there. When neither is, all who wait have been claimed and a notifier is between the
//     two steps of 3, so the leaver tries both again. It must not settle for waiting for a signal: a thread
//     that prepares now may consume the one that was meant for it, and then its unit is back in waiters_. The
//     notification of a signal that a leaver consumes is not lost: waiters_ was empty when it looked, so
//     everybody else who waits has a signal coming, or has prepared since and looks.
//
// No wake-up is lost. The notifier publishes (P) and then reads waiters_ (L); the waiter adds to waiters_ (A)
// and then looks (C); all four are seq_cst. If C misses P, then C precedes P in their total order, hence A < C
// < P < L, and L sees A or what came after it. If L reads a count above 0, one waiter is claimed. If it reads
// 0, this waiter has been claimed by somebody else since A, and some signal ends its wait – unless a thread
// that prepared later consumed that signal. Such a thread B added to waiters_ after the 0 that L read, so P < L
// < B's add < B's look: B has seen P itself. And a waiter that an *earlier* signal wakes after P was published,
// and that prepares again, is in B's place. (P is a publication that is still there: once somebody has taken
// the work, nobody needs to be woken for it.)
//
// Orders: everything on waiters_ is seq_cst, for the proof. signals_: adding is release, consuming acquire, so
// that a woken thread sees all that the notifier did before; adding happens by read-modify-writes only, so
// earlier notifiers' releases stay visible through later ones.
#include <cstdint>
#include <optional>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce::detail {

template <class Platform = RealPlatform>
class EventCount {
 public:
  /// The proof of a prepare_wait, to be spent in one commit_wait or cancel_wait.
  struct Key {};

  EventCount() noexcept = default;
  EventCount(const EventCount&) = delete;
  EventCount& operator=(const EventCount&) = delete;

  [[nodiscard]] Key prepare_wait() noexcept {
    waiters_.fetch_add(1, std::memory_order_seq_cst);
    return {};
  }

  /// True when notified, false when the deadline (absolute, steady-clock nanoseconds) passed first.
  bool commit_wait(Key, std::optional<std::int64_t> deadline_ns = std::nullopt) noexcept {
    while (!take_signal()) {
      if (!Platform::wait(signals_, 0, deadline_ns)) return !leave();
    }
    return true;
  }

  /// True when a notification had reached this waiter already.
  bool cancel_wait(Key) noexcept { return !leave(); }

  /// Wakes one waiter; false when there was none that is not being woken already.
  bool notify_one() noexcept {
    if (!take_waiter()) return false;
    signals_.fetch_add(1, std::memory_order_release);
    Platform::wake_one(signals_);
    return true;
  }

  /// Wakes all who are waiting now.
  void notify_all() noexcept {
    if (waiters_.load(std::memory_order_seq_cst) == 0) return;
    const std::uint32_t claimed = waiters_.exchange(0, std::memory_order_seq_cst);
    if (claimed == 0) return;
    signals_.fetch_add(claimed, std::memory_order_release);
    Platform::wake_all(signals_);
  }

  /// How many wait and have not been claimed; a moment's view.
  [[nodiscard]] std::uint32_t waiters() const noexcept { return waiters_.load(std::memory_order_seq_cst); }

 private:
  bool take_waiter() noexcept { return take_one(waiters_, std::memory_order_seq_cst); }
  bool take_signal() noexcept { return take_one(signals_, std::memory_order_acquire); }

  static bool take_one(typename Platform::template atomic<std::uint32_t>& count,
                       std::memory_order order) noexcept {
    std::uint32_t seen = count.load(order);
    while (seen != 0) {
      if (count.compare_exchange_weak(seen, seen - 1, order, order)) return true;
    }
    return false;
  }

  /// True: left unclaimed. False: it had been claimed, and a signal is consumed.
  bool leave() noexcept {
    for (std::uint32_t attempt = 0;; ++attempt) {
      if (take_waiter()) return true;
      if (take_signal()) return false;
      Platform::back_off(attempt);
    }
  }

  alignas(64) typename Platform::template atomic<std::uint32_t> waiters_{0};
  typename Platform::template atomic<std::uint32_t> signals_{0};
};

}  // namespace quiesce::detail
