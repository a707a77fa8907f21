#include "quiesce/sync/cond_var.hpp"

namespace quiesce {

using detail::Primitive;
using detail::WakeList;

void CondVar::notify_one() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  primitive_.grant_first(waiters_, woken);
}

std::uint32_t CondVar::notify_all() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  return primitive_.grant_all(waiters_, woken);
}

CondVarStatistics CondVar::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, detail::Use::Read);
  return {primitive_.waiting(), primitive_.waited()};
}

namespace detail {

// Whoever locks next finds the task in the list. It may have been notified before it has unlocked: it has not slept then.
void CondWaitOperation::enlist(WaitNode& node) noexcept {
  {
    const Primitive::Hold hold(variable_->primitive_);
    variable_->primitive_.enlist(variable_->waiters_, node);
  }
  detach_(guard_);
  mutex_->unlock_guarded();
}

bool CondWaitOperation::delist(WaitNode& node) noexcept {
  const Primitive::Hold hold(variable_->primitive_);
  return variable_->primitive_.delist(variable_->waiters_, node);
}

// Its task ends for another reason: the next may go on instead.
void CondWaitOperation::give_back() noexcept { variable_->notify_one(); }

WaitSubject CondWaitOperation::subject() const noexcept { return subject_of(variable_->primitive_); }

Error wait_without_lock() {
  return Error(ErrorCode::InvalidArgument,
               "CondVar::wait: the guard holds no lock (it was unlocked or moved from): lock the mutex first");
}

}  // namespace detail
}  // namespace quiesce
