#pragma once
// Timer: a point in time that comes, unless it is put off or stopped before. Tasks wait for it.
//
//   q::Timer idle(cx, 30s, "idle");               // armed; q::Timer idle(cx) is not
//   for (;;) {
//     auto next = co_await q::select(cx, rx.recv(), idle.wait());
//     if (next.index() == 1) break;               // nothing came for 30 s
//     idle.reset(30s);                            // from now on; idle.reset(idle.deadline() + 30s) counts from the last, without drift
//   }
//   if (!idle.stop()) …                           // it was not to fire any more
//
// It is armed, or it is not: new, stopped, or fired, and then it stays fired until `reset`. `wait` goes on at once when it has fired, else it
// waits until it does, however often it is put off meanwhile; a timer that is stopped keeps its waiters until somebody arms it again, for
// ever if nobody does. Any number may wait, and all go on together. One that was woken goes on, although the timer was reset just then.
// Fires never before its time; late by a tick of the timer wheel (about 1 ms) and the scheduling delay, as a sleep. A duration counts from its
// arming or, in production, up to 33 us later. A time that
// has passed already fires as soon as the worker looks at its timers, not within `reset`.
// The time comes from the context that it is made with, and whoever has the timer may arm it and wait: `wait` needs no Time capability.
// Refuses: a context without cap::Time, when you compile; one that was given no timer, or whose task has ended, by throwing UsageError
// (MissingCapability, StaleContext). It must outlive those who wait for it, and must not outlive its runtime while it is armed, nor be
// armed after that: the program ends with a sentence.
// Cancel-safety: `wait` is a cancel point, and a cancelled one leaves nothing behind; the timer goes on. Nothing else is one.
// Thread-safety: any thread, also one that runs no task; but for its destruction, which stops it.
// Cost: 96 bytes, no allocation. To arm and to stop is a lock of a worker's wheel each, the worker's who has armed it last; with
// a duration a look at the clock besides, where the last is some us ago. After it has fired or was stopped destroying it is free.
#include <cstdint>

#include "quiesce/cx.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

class Timer;

namespace detail {

class TimerWaitOperation : public ListedOperation<TimerWaitOperation> {
 public:
  using value_type = void;
  static constexpr const char* what = "a timer";
  static constexpr bool told_together = true;

  explicit TimerWaitOperation(Timer& timer) noexcept : timer_(&timer) {}
  bool try_now() noexcept;
  Outcome<> take() noexcept { return Outcome<>::ok(); }
  WaitPlace place() const noexcept;
  void pump(WakeList& woken) noexcept;

 private:
  Timer* timer_;
};

}  // namespace detail

/// A look at it; the next moment it may be otherwise.
struct TimerStatistics {
  std::uint32_t waiters = 0;
  std::uint64_t waited = 0;  // waits that had to sleep, since it was made
  bool is_armed = false;
  bool has_fired = false;  // and was not reset since
  Time deadline;
};

class Timer : detail::SharedTimerEntry {
 public:
  /// Not armed.
  template <class Caps>
  explicit Timer(const BasicCx<Caps>& cx, Name name = {}) : Timer(cx.core(), name) {
    static_assert(detail::Holds<Caps::bits, cap::Time::bits>,
                  "quiesce: this context lacks the capability Time (cap::Time), which a Timer needs");
  }
  /// Armed: fires once `in` has passed, or at `at`.
  template <class Caps>
  Timer(const BasicCx<Caps>& cx, Duration in, Name name = {}) : Timer(cx, name) {
    reset(in);
  }
  template <class Caps>
  Timer(const BasicCx<Caps>& cx, Time at, Name name = {}) : Timer(cx, name) {
    reset(at);
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();

  /// Fires then, and no more at the time that it was armed for. True: it was armed, and had not fired.
  bool reset(Duration in) noexcept;
  bool reset(Time at) noexcept;
  /// True: it was still to fire, and will not. One that has fired stays so.
  bool stop() noexcept;

  bool is_armed() const noexcept;
  /// It has fired, and was not reset since.
  bool has_fired() const noexcept;
  /// What it was armed for last; Time::zero() if it never was.
  Time deadline() const noexcept;

  template <class Caps>
  auto wait(const BasicCx<Caps>& cx) {
    return Wait<detail::TimerWaitOperation>(cx.core(), detail::TimerWaitOperation(*this));
  }
  /// For select and timeout.
  auto wait() { return Operation<detail::TimerWaitOperation>(detail::TimerWaitOperation(*this)); }

  TimerStatistics statistics() const noexcept;

 private:
  friend detail::TimerWaitOperation;
  Timer(const detail::CxCore& cx, Name name);
  detail::Executor& executor() const noexcept;
  void note(detail::Use how) const noexcept;
  static void is_due(detail::TimerEntry& entry) noexcept;
  bool looks_fired() const noexcept {
    return state.load(std::memory_order_acquire) >= detail::TimerState::Firing;
  }

  detail::Kernel* kernel_;
  detail::Primitive primitive_;
  detail::WaitList waiters_;  // under its lock, as what makes it Firing
};

template <>
inline constexpr bool enable_sync<Timer> = true;

}  // namespace quiesce
