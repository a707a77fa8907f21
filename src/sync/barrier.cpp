#include "quiesce/sync/barrier.hpp"

namespace quiesce {

using detail::ArriveOperation;
using detail::Primitive;
using detail::WakeList;

void Barrier::open(bool has_leader, WakeList& woken) noexcept {
  ++rounds_;
  while (!waiters_.empty()) {
    auto& arrival = *static_cast<ArriveOperation*>(waiting_operation(*waiters_.front()));
    arrival.leads_ = !has_leader;
    if (primitive_.grant_front(waiters_, woken)) {
      has_leader = true;
    } else {
      arrival.leads_ = false;
    }
  }
}

BarrierStatistics Barrier::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, detail::Use::Read);
  return {primitive_.waiting(), tasks_, rounds_};
}

namespace detail {

bool ArriveOperation::try_now() noexcept {
  if (barrier_->tasks_ == 0) return true;  // refused
  WakeList woken;
  const Primitive::Hold hold(barrier_->primitive_);
  if (barrier_->primitive_.waiting() + 1 < barrier_->tasks_) return false;
  leads_ = true;
  barrier_->open(true, woken);
  return true;
}

WaitPlace ArriveOperation::place() const noexcept { return {&barrier_->primitive_, &barrier_->waiters_}; }

void ArriveOperation::pump(WakeList& woken) noexcept {
  if (barrier_->primitive_.waiting() == barrier_->tasks_) barrier_->open(false, woken);
}

Outcome<bool> ArriveOperation::take() noexcept {
  if (barrier_->tasks_ > 0) return Outcome<bool>::ok(leads_);
  return Outcome<bool>::err(Error(ErrorCode::InvalidArgument,
                                  "a barrier for no tasks lets nobody through: make it for one at least"));
}

}  // namespace detail
}  // namespace quiesce
