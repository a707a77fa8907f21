#pragma once
// Interval: ticks, one a period, without drift.
//
//   q::Interval beat = q::interval(cx, 100ms, q::MissedTick::skip);     // the first tick is due in 100ms
//   for (;;) {
//     co_await beat.tick(cx);                                           // or select(cx, beat.tick(), rx.recv())
//     ...
//   }
//
// A tick gives the time at which it was due. When whoever ticks comes late:
//   burst   the ticks that were missed come at once, one after the other; their number is right
//   delay   the next one is due a whole period after the late one
//   skip    what was missed is left out; the next one is due at the next multiple of the period
// `tick` is a cancel point. Cancel-safety: a tick that was cancelled, or lost a select, has not been: the next call waits for the same
// one. Thread-safety: one task at a time. Refuses: MissingCapability where the context has no timer; InvalidArgument for a period that is
// not positive. Late by as much as a sleep. Cost: a timer each; it allocates nothing.
#include <cstdint>

#include "quiesce/cx.hpp"
#include "quiesce/detail/sync/wait.hpp"

namespace quiesce {

class Interval;

enum class MissedTick : std::uint8_t { burst, delay, skip };

namespace detail {

class TickOperation {
 public:
  using value_type = Time;
  using error_type = Error;
  static constexpr const char* what = "the tick of an interval";

  explicit TickOperation(Interval& interval) noexcept : interval_(&interval) {}
  bool try_now() noexcept;
  void enlist(WaitNode& node) noexcept;
  bool delist(WaitNode& node) noexcept;
  Outcome<Time> take() noexcept;
  void give_back() noexcept {}
  WaitSubject subject() const noexcept { return {"interval", nullptr, {}, 0}; }

 private:
  Interval* interval_;
  bool has_timer_ = true;
  WaitAlarm alarm_;
};

}  // namespace detail

class Interval {
 public:
  /// The first tick is due at `first`.
  Interval(Time first, Duration period, MissedTick missed) noexcept
      : next_(first), period_(period), missed_(missed) {}

  template <class Caps>
  auto tick(const BasicCx<Caps>& cx) {
    static_assert(detail::Holds<Caps::bits, cap::Time::bits>,
                  "quiesce: this context lacks the capability Time (cap::Time), which tick needs");
    return Wait<detail::TickOperation>(cx.core(), detail::TickOperation(*this));
  }
  /// For select and timeout.
  auto tick() { return Operation<detail::TickOperation>(detail::TickOperation(*this)); }

  /// When the next tick is due.
  Time next() const noexcept { return next_; }
  Duration period() const noexcept { return period_; }
  /// Ticks that `skip` and `delay` have left out.
  std::uint64_t left_out() const noexcept { return left_out_; }

 private:
  friend detail::TickOperation;
  void advance(Time now) noexcept;

  Time next_;
  Duration period_;
  MissedTick missed_;
  std::uint64_t left_out_ = 0;
};

/// The first tick is due one period from now.
template <class Caps>
Interval interval(const BasicCx<Caps>& cx, Duration period, MissedTick missed = MissedTick::burst) {
  static_assert(detail::Holds<Caps::bits, cap::Time::bits>,
                "quiesce: this context lacks the capability Time (cap::Time), which interval needs");
  return Interval(cx.now() + period, period, missed);
}

}  // namespace quiesce
