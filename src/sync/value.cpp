#include "quiesce/sync/value.hpp"

namespace quiesce::detail {

RawSnapshot RawValue::look() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return now_;
}

// What it was is returned, for it to die outside of the lock. Under the lock.
std::shared_ptr<const void> RawValue::replace(std::shared_ptr<const void> next, WakeList& woken) noexcept {
  now_.value.swap(next);
  ++now_.version;
  primitive_.grant_all(waiters_, woken);
  return next;
}

RawSnapshot RawValue::publish(std::shared_ptr<const void> next) noexcept {
  std::shared_ptr<const void> old;
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  old = replace(std::move(next), woken);
  return now_;
}

bool RawValue::publish_after(std::uint64_t version, std::shared_ptr<const void>& next) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (now_.version != version) return false;
  next = replace(std::move(next), woken);
  return true;
}

ValueStatistics RawValue::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return {now_.version, primitive_.waiting(), primitive_.waited()};
}

bool ChangedOperationBase::try_now() noexcept {
  const Primitive::Hold hold(value_->primitive_, Use::Read);
  return value_->now_.version != seen_;
}

WaitPlace ChangedOperationBase::place() const noexcept { return {&value_->primitive_, &value_->waiters_}; }

// Those before it have been granted what has changed since.
void ChangedOperationBase::pump(WakeList& woken) noexcept {
  if (value_->now_.version != seen_) value_->primitive_.grant_all(value_->waiters_, woken);
}

}  // namespace quiesce::detail
