#include "quiesce/sync/notify.hpp"

namespace quiesce {

using detail::NotifiedOperation;
using detail::Primitive;
using detail::WakeList;

// What is stored goes to the first that waits. Under the lock.
void Notify::pump(WakeList& woken) noexcept {
  if (stored_ && primitive_.grant_first(waiters_, woken)) stored_ = false;
}

void Notify::notify_one() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  stored_ = true;
  pump(woken);
}

std::uint32_t Notify::notify_waiters() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  std::uint32_t told = 0;
  while (!waiters_.empty()) {
    static_cast<NotifiedOperation*>(waiters_.front()->operation)->one_ = false;
    if (primitive_.grant_front(waiters_, woken)) ++told;
  }
  return told;
}

NotifyStatistics Notify::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, detail::Use::Read);
  return {primitive_.waiting(), primitive_.waited(), stored_};
}

namespace detail {

bool NotifiedOperation::try_now() noexcept {
  const Primitive::Hold hold(notify_->primitive_);
  return std::exchange(notify_->stored_, false);
}

void NotifiedOperation::enlist(WaitNode& node) noexcept {
  WakeList woken;
  const Primitive::Hold hold(notify_->primitive_);
  notify_->primitive_.enlist(notify_->waiters_, node);
  notify_->pump(woken);
}

bool NotifiedOperation::delist(WaitNode& node) noexcept {
  const Primitive::Hold hold(notify_->primitive_);
  return notify_->primitive_.delist(notify_->waiters_, node);
}

void NotifiedOperation::give_back() noexcept {
  if (one_) notify_->notify_one();
}

WaitSubject NotifiedOperation::subject() const noexcept { return subject_of(notify_->primitive_); }

}  // namespace detail
}  // namespace quiesce
