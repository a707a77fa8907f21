#include "quiesce/sync/event.hpp"

namespace quiesce {

using detail::Primitive;

void Event::set() noexcept {
  detail::WakeList woken;
  const Primitive::Hold hold(primitive_);
  set_ = true;
  primitive_.grant_all(waiters_, woken);
}

void Event::reset() noexcept {
  const Primitive::Hold hold(primitive_);
  set_ = false;
}

bool Event::is_set() const noexcept {
  const Primitive::Hold hold(primitive_, detail::Use::Read);
  return set_;
}

EventStatistics Event::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, detail::Use::Read);
  return {primitive_.waiting(), primitive_.waited(), set_};
}

namespace detail {

bool EventWaitOperation::try_now() noexcept { return event_->is_set(); }

WaitPlace EventWaitOperation::place() const noexcept { return {&event_->primitive_, &event_->waiters_}; }

void EventWaitOperation::pump(WakeList& woken) noexcept {
  if (event_->set_) event_->primitive_.grant_all(event_->waiters_, woken);
}

}  // namespace detail
}  // namespace quiesce
