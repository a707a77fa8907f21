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

WaitPlace CondWaitOperation::place() const noexcept { return {&variable_->primitive_, &variable_->waiters_}; }

// Whoever locks next finds the task in the list. It may have been notified before it has unlocked: it has not slept then. Another branch
// with the same guard may have unlocked for both.
void CondWaitOperation::armed() noexcept {
  if (!ops_->holds(guard_)) return;
  ops_->detach(guard_);
  raw_->unlock_guarded();
}

bool CondWaitOperation::close(bool) noexcept {
  if (raw_ == nullptr || ops_->holds(guard_)) return true;
  if (raw_->try_lock() != RawMutex::Tried::Locked) return false;
  closed();
  return true;
}

void CondWaitOperation::close_enlist(WaitNode& node) noexcept {
  relocks_ = true;
  raw_->enlist(node, RawMutex::Comes::ToBeHanded);
}

void CondWaitOperation::closed() noexcept {
  relocks_ = false;
  ops_->attach(guard_, mutex_);
  raw_->count_guard();
}

Outcome<> CondWaitOperation::take() noexcept {
  return raw_ == nullptr ? Outcome<>::err(wait_without_lock()) : Outcome<>::ok();
}

// Its task does something else with it: the next may go on instead.
void CondWaitOperation::give_back() noexcept {
  if (std::exchange(notified_, false)) variable_->notify_one();
}

WaitSubject CondWaitOperation::subject() const noexcept {
  return relocks_ ? raw_->subject() : subject_of(variable_->primitive_);
}

Error wait_without_lock() {
  return Error(ErrorCode::InvalidArgument,
               "CondVar::wait: the guard holds no lock (it was unlocked or moved from): lock the mutex first");
}

}  // namespace detail
}  // namespace quiesce
