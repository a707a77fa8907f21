#include "quiesce/callback.hpp"

namespace quiesce::detail {

bool CallbackState::begin() noexcept {
  const Primitive::Hold hold(primitive_);
  if (begun_ || over_) return false;
  return begun_ = true;
}

// A claim that fails was lost to a request, or to another branch of a select: the wait is being given up.
bool CallbackState::finish() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (over_) return false;
  ready_ = true;
  if (!waiters_.empty() && !primitive_.grant_first(waiters_, woken)) {
    ready_ = false;
    over_ = true;
    return false;
  }
  return true;
}

bool CallbackState::is_ready() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return ready_;
}

void CallbackState::enlist(WaitNode& node) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  primitive_.enlist(waiters_, node);
  if (ready_) primitive_.grant_first(waiters_, woken);
}

bool CallbackState::delist(WaitNode& node) noexcept {
  const Primitive::Hold hold(primitive_);
  return primitive_.delist(waiters_, node);
}

bool CallbackState::keep_place(WaitNode& node, Waiter waiter) noexcept {
  const Primitive::Hold hold(primitive_);
  return Primitive::keep_place(node, waiter);
}

bool CallbackState::give_up() noexcept {
  const Primitive::Hold hold(primitive_);
  over_ = true;
  return !begun_;
}

Error callback_dropped() {
  return Error(ErrorCode::Disconnected,
               "from_callback: every copy of the completion was destroyed, and none was called");
}

}  // namespace quiesce::detail
