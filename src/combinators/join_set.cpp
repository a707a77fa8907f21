#include "quiesce/combinators/join_set.hpp"

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

JoinSetState::~JoinSetState() {
  while (first_ != nullptr) (void)remove(*first_);
}

void JoinSetState::add(std::unique_ptr<JoinSetMember> member) noexcept {
  const Primitive::Hold hold(primitive_);
  member->next = first_;
  if (first_ != nullptr) first_->prev = member.get();
  first_ = member.release();
  ++size_;
}

std::unique_ptr<JoinSetMember> JoinSetState::remove(JoinSetMember& member) noexcept {
  const Primitive::Hold hold(primitive_);
  (member.prev == nullptr ? first_ : member.prev->next) = member.next;
  if (member.next != nullptr) member.next->prev = member.prev;
  --size_;
  return std::unique_ptr<JoinSetMember>(&member);
}

// The task's frame goes; it has ended a moment later.
void JoinSetState::ended(JoinSetMember& member) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  (ended_first_ == nullptr ? ended_first_ : ended_last_->ended_next) = &member;
  ended_last_ = &member;
  primitive_.grant_all(waiters_, woken);
}

JoinSetMember* JoinSetState::pop_ended() noexcept {
  const Primitive::Hold hold(primitive_);
  JoinSetMember* member = ended_first_;
  if (member != nullptr) ended_first_ = member->ended_next;
  return member;
}

void JoinSetState::forget_ended(JoinSetMember& member) noexcept {
  const Primitive::Hold hold(primitive_);
  JoinSetMember* before = nullptr;
  for (JoinSetMember* at = ended_first_; at != nullptr; before = at, at = at->ended_next) {
    if (at != &member) continue;
    (before == nullptr ? ended_first_ : before->ended_next) = at->ended_next;
    if (ended_last_ == at) ended_last_ = before;
    return;
  }
}

JoinSetMember* JoinSetState::front_ended() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return ended_first_;
}

bool NextBase::try_now() noexcept {
  const Primitive::Hold hold(state_->primitive_, Use::Read);
  return state_->has_next();
}

WaitPlace NextBase::place() const noexcept { return {&state_->primitive_, &state_->waiters_}; }

void NextBase::pump(WakeList& woken) noexcept {
  if (state_->has_next()) state_->primitive_.grant_all(state_->waiters_, woken);
}

// As a joiner of a select does (src/sync/select.cpp): armed, stored, announced.
void wait_for_end(TaskRecord& task, Waiter waiter) noexcept {
  task.joiner.store(waiter.packed, std::memory_order_release);
  if (!task.word.apply([](TaskWord w) { return task_word::announce_joiner(w); })) Kernel::claim(waiter);
}

SpawnError join_set_full(const Turnstile& places) {
  return SpawnError::at_capacity({}, {}, "running_max of the JoinSet", places.places(),
                                 places.statistics().inside);
}

}  // namespace quiesce::detail
