#include "quiesce/interval.hpp"

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce {

void Interval::advance(Time now) noexcept {
  const Time due = next_;
  const auto missed =
      static_cast<std::uint64_t>((now - due).count() / period_.count());  // `now` is not before `due`
  switch (missed_) {
    case MissedTick::burst: next_ = due + period_; return;
    case MissedTick::delay: next_ = now + period_; break;
    case MissedTick::skip: next_ = due + period_ * static_cast<std::int64_t>(missed) + period_; break;
  }
  left_out_ += missed;
}

namespace detail {

bool TickOperation::try_now() noexcept {
  TaskRecord& task = *current_task();
  has_timer_ = cx_has_timer(CxCore{&task, task.id().generation});
  return !has_timer_ || interval_->period_ <= Duration::zero() ||
         interval_->next_ <= task.kernel().executor().now();
}

void TickOperation::enlist(WaitNode& node) noexcept { alarm_.arm(node, interval_->next_); }
bool TickOperation::delist(WaitNode&) noexcept { return alarm_.disarm(); }

Outcome<Time> TickOperation::take() noexcept {
  (void)alarm_.disarm();  // whoever fired it may not have let go of it yet
  if (!has_timer_) {
    return Outcome<Time>::err(Error(ErrorCode::MissingCapability,
                                    "Interval::tick: this context was given no timer (Capabilities::timer)"));
  }
  if (interval_->period_ <= Duration::zero()) {
    return Outcome<Time>::err(Error(ErrorCode::InvalidArgument,
                                    "Interval::tick: the period of an interval must be positive, and is " +
                                        std::to_string(interval_->period_.count()) + "ns"));
  }
  const Time due = interval_->next_;
  interval_->advance(current_task()->kernel().executor().now());
  return Outcome<Time>::ok(due);
}

}  // namespace detail
}  // namespace quiesce
