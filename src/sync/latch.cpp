#include "quiesce/sync/latch.hpp"

#include <algorithm>

namespace quiesce {

using detail::Primitive;

bool Latch::count_down(std::uint32_t by) noexcept {
  detail::WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (left_ == 0) return false;
  left_ -= std::min(by, left_);
  if (left_ > 0) return false;
  primitive_.grant_all(waiters_, woken);
  return true;
}

bool Latch::try_wait() const noexcept {
  const Primitive::Hold hold(primitive_, detail::Use::Read);
  return left_ == 0;
}

LatchStatistics Latch::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, detail::Use::Read);
  return {left_, primitive_.waiting(), primitive_.waited()};
}

namespace detail {

bool LatchWaitOperation::try_now() noexcept { return latch_->try_wait(); }

WaitPlace LatchWaitOperation::place() const noexcept { return {&latch_->primitive_, &latch_->waiters_}; }

void LatchWaitOperation::pump(WakeList& woken) noexcept {
  if (latch_->left_ == 0) latch_->primitive_.grant_all(latch_->waiters_, woken);
}

}  // namespace detail
}  // namespace quiesce
