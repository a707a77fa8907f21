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
    static_cast<NotifiedOperation*>(detail::waiting_operation(*waiters_.front()))->one_ = false;
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

WaitPlace NotifiedOperation::place() const noexcept { return {&notify_->primitive_, &notify_->waiters_}; }
void NotifiedOperation::pump(WakeList& woken) noexcept { notify_->pump(woken); }

// Told with everybody else while its task looked at another branch of its select: it has been told.
void NotifiedOperation::enlist(WaitNode& node) noexcept {
  if (one_) return ListedOperation::enlist(node);
  WakeList woken;
  const Primitive::Hold hold(notify_->primitive_);
  notify_->primitive_.enlist(notify_->waiters_, node);
  notify_->primitive_.grant(notify_->waiters_, node, woken);
}

void NotifiedOperation::give_back() noexcept {
  if (one_) notify_->notify_one();
}

}  // namespace detail
}  // namespace quiesce
