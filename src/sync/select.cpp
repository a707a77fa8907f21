#include "quiesce/select.hpp"

#include <algorithm>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

namespace {

constexpr LeafOps select_wait{SelectBase::finish, "the first of several operations", true, nullptr, nullptr,
                              SelectBase::subject};
constexpr std::size_t nobody = ~std::size_t{0};

/// After the wait: takes every branch out of its list; the winner's index.
std::size_t delist_all(std::span<SelectBranch> branches) noexcept {
  std::size_t granted = nobody, ended = nobody;
  for (std::size_t i = 0; i < branches.size(); ++i) {
    SelectBranch& branch = branches[i];
    if (!branch.ops->delist(branch.op, branch.node)) continue;
    QUIESCE_ASSERT(!branch.is_granted || granted == nobody, "one operation of a select is granted");
    std::size_t& winner = branch.is_granted ? granted : ended;
    if (winner == nobody) winner = i;
  }
  return granted != nobody ? granted : ended;
}

}  // namespace

// ---- sleeping ----

bool SleepOperation::try_now() noexcept {
  return !cx_has_timer(cx_) || until_ <= current_task()->kernel().executor().now();
}

void SleepOperation::fired(TimerEntry& entry) noexcept {
  WaitNode& node = *static_cast<Alarm&>(entry).node;
  node.granted = true;
  if (!Kernel::claim(node.waiter)) node.granted = false;
}

void SleepOperation::enlist(WaitNode& node) noexcept {
  alarm_.node = &node;
  alarm_.deadline = until_;
  alarm_.fire = fired;
  current_task()->kernel().executor().arm(alarm_);
}

// Disarmed, it is not firing either: the mark stands.
bool SleepOperation::delist(WaitNode& node) noexcept {
  if (alarm_.node != nullptr) current_task()->kernel().executor().disarm(alarm_);
  alarm_.node = nullptr;
  return std::exchange(node.granted, false);
}

Outcome<> SleepOperation::take() noexcept {
  if (cx_has_timer(cx_)) return Outcome<>::ok();
  return Outcome<>::err(
      Error(ErrorCode::MissingCapability, "a wait with a time: this context was given no timer"));
}

// ---- joining ----

bool JoinOperationBase::try_now() noexcept {
  TaskRecord& task = *current_task();
  if (target_ == nullptr || target_ == &task || has_other_joiner(*target_)) {
    JoinWait wait(CxCore{&task, task.id().generation}, target_, true);
    misuse_ = wait.misuse(task);
    return true;
  }
  return has_ended(*target_);
}

// Store, then announce, as for any joiner (handle.cpp); the wait is armed before, so whoever ends the task can claim it.
void JoinOperationBase::enlist(WaitNode& node) noexcept {
  announced_ = true;
  target_->joiner.store(node.waiter.packed, std::memory_order_release);
  if (!target_->word.apply([](TaskWord w) { return task_word::announce_joiner(w); }))
    Kernel::claim(node.waiter);
}

bool JoinOperationBase::delist(WaitNode&) noexcept {
  if (announced_) retract_joiner(*target_, *current_task());
  announced_ = false;
  return has_ended(*target_);
}

WaitSubject JoinOperationBase::subject() const noexcept { return {"task", nullptr, {target_->id()}, 1}; }

// ---- the wait ----

bool SelectBase::answer(TaskRecord& task, std::size_t winner, Outcome<>* refused) noexcept {
  if (!settle(*this, task, winner, refused)) return give_way(task);
  signal(task, Signal::Ended);
  return true;
}

bool SelectBase::refuse_request(TaskRecord& task) noexcept {
  if (!observed || task.word.load().escalated()) {
    refuse(task);
    return true;
  }
  Outcome<> cancelled = request_as_outcome(task);
  return answer(task, nobody, &cancelled);
}

bool SelectBase::start(PromiseBase& self, CxCore cx) noexcept {
  TaskRecord& task = *self.task;
  if (cx.task != &task || !cx.alive()) [[unlikely]] {
    if (std::optional<Error> misuse = own_context_error(cx, "select")) {
      Outcome<> refused = Outcome<>::err(std::move(*misuse));
      return answer(task, nobody, &refused);
    }
  }
  task.kernel().note_checkpoint(task);
  if (task.word.load().must_observe()) return refuse_request(task);
  const std::size_t count = branches.size();
  const std::size_t first = biased || count == 1 ? 0 : cx_random_index(cx, count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = (first + i) % count;
    if (branches[at].ops->try_now(branches[at].op)) return answer(task, at, nullptr);
  }
  if (!arm_wait(task, select_wait, this)) return refuse_request(task);
  const Waiter waiter = waiter_of(task);
  for (std::size_t i = 0; i < count && task.word.load().pending(); ++i) {
    SelectBranch& branch = branches[(first + i) % count];
    branch.node = WaitNode{.waiter = waiter, .operation = branch.op};
    branch.ops->enlist(branch.op, branch.node);
  }
  return true;
}

LeafNext SelectBase::finish(TaskRecord& task, void* data, TaskWord before) noexcept {
  auto& select = *static_cast<SelectBase*>(data);
  const std::size_t winner = delist_all(select.branches);
  if (!before.has(TaskWord::by_request_bit))
    return select.settle(select, task, winner, nullptr) ? LeafNext::Ended : LeafNext::Resume;
  // As in WaitBase::finish: a grant may have been faster where the task ends for another reason.
  if (winner != nobody) select.branches[winner].ops->give_back(select.branches[winner].op);
  if (!select.observed) return LeafNext::EndCancelled;
  Outcome<> cancelled = Outcome<>::cancelled(task.kernel().reason_seen_by(task));
  return select.settle(select, task, nobody, &cancelled) ? LeafNext::Ended : LeafNext::Resume;
}

WaitSubject SelectBase::subject(void* data) noexcept {
  const auto& select = *static_cast<const SelectBase*>(data);
  WaitSubject all{"select", nullptr, {}, 0};
  for (const SelectBranch& branch : select.branches) {
    const WaitSubject one = branch.ops->subject(branch.op);
    if (all.name == nullptr) all.name = one.name;
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(one.holder_count, one.holders.size()); ++i) {
      if (all.holder_count < all.holders.size()) all.holders[all.holder_count] = one.holders[i];
      ++all.holder_count;
    }
  }
  return all;
}

}  // namespace quiesce::detail
