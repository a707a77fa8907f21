#include "quiesce/channel/broadcast.hpp"

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

using broadcast::RecvError;

PanicPayload panic_by_exception() noexcept {
  TaskRecord& task = *current_task();
  return task.kernel().note_panic(task, std::current_exception());
}

std::uint32_t BroadcastCore::send(SharedValue value) noexcept {
  SharedValue fell_out;
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (receivers_ == 0) return 0;
  SharedValue& slot = ring_[sent_ % ring_.size()];
  fell_out = std::move(slot);
  slot = std::move(value);
  ++sent_;
  primitive_.grant_all(waiters_, woken);
  return receivers_;
}

void BroadcastCore::add_sender() noexcept {
  const Primitive::Hold hold(primitive_);
  ++senders_;
}

void BroadcastCore::drop_sender() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (--senders_ == 0) primitive_.grant_all(waiters_, woken);
}

std::uint64_t BroadcastCore::add_receiver() noexcept {
  const Primitive::Hold hold(primitive_);
  ++receivers_;
  return sent_;
}

std::uint64_t BroadcastCore::copy_receiver(const std::uint64_t& next) noexcept {
  const Primitive::Hold hold(primitive_);
  ++receivers_;
  return next;
}

void BroadcastCore::drop_receiver() noexcept {
  const Primitive::Hold hold(primitive_);
  --receivers_;
}

BroadcastCore::Received BroadcastCore::receive(std::uint64_t& next) noexcept {
  const Primitive::Hold hold(primitive_);
  const std::uint64_t oldest = sent_ > ring_.size() ? sent_ - ring_.size() : 0;
  if (next < oldest) {
    const std::uint64_t missed = oldest - next;
    next = oldest;
    missed_ += missed;
    return {nullptr, RecvError(RecvError::Kind::Lagged, missed)};
  }
  if (next < sent_) return {ring_[next++ % ring_.size()], RecvError::Kind::Empty};
  return {nullptr, senders_ == 0 ? RecvError::Kind::Closed : RecvError::Kind::Empty};
}

broadcast::Statistics BroadcastCore::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return {senders_, receivers_, primitive_.waiting(), primitive_.waited(), sent_, missed_};
}

bool BroadcastReceive::try_now() noexcept {
  const Primitive::Hold hold(core_->primitive_, Use::Read);
  return core_->has_for(*next_);
}

// Alone in a list of its own when there is something for it: the others have nothing to see.
void BroadcastReceive::enlist(WaitNode& node) noexcept {
  WakeList woken;
  WaitList alone;
  const Primitive::Hold hold(core_->primitive_);
  const bool ready = core_->has_for(*next_);
  core_->primitive_.enlist(ready ? alone : core_->waiters_, node);
  if (ready) core_->primitive_.grant_front(alone, woken);
}

bool BroadcastReceive::delist(WaitNode& node) noexcept {
  const Primitive::Hold hold(core_->primitive_);
  return core_->primitive_.delist(core_->waiters_, node);
}

WaitSubject BroadcastReceive::subject() const noexcept { return subject_of(core_->primitive_); }

}  // namespace quiesce::detail
