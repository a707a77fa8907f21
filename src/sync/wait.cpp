#include "quiesce/detail/sync/wait.hpp"

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

Outcome<> request_as_outcome(TaskRecord& task) noexcept {
  task.word.apply([](TaskWord w) { return task_word::acknowledge(w); });
  return Outcome<>::cancelled(task.kernel().reason_seen_by(task));
}

Outcome<> panic_as_outcome(TaskRecord& task, std::exception_ptr thrown) noexcept {
  return Outcome<>::panicked(task.kernel().note_panic(task, std::move(thrown)));
}

bool WaitBase::answer(TaskRecord& task, Outcome<>* refused) noexcept {
  if (!settle(*this, task, refused)) return give_way(task);
  signal(task, Signal::Ended);
  return true;
}

bool WaitBase::refuse_request(TaskRecord& task) noexcept {
  if (!observed || task.word.load().escalated()) {
    refuse(task);
    return true;
  }
  Outcome<> cancelled = request_as_outcome(task);
  return answer(task, &cancelled);
}

bool WaitBase::arm(TaskRecord& task) noexcept {
  if (!arm_wait(task, *leaf, this)) return false;
  node = {.waiter = waiter_of(task), .operation = op};
  ops->enlist(op, node);
  if (ops->more != nullptr && ops->more->armed != nullptr && task.word.load().pending()) ops->more->armed(op);
  return true;
}

bool WaitBase::start(PromiseBase& self, CxCore cx) noexcept {
  TaskRecord& task = *self.task;
  if (cx.task != &task || !cx.alive()) [[unlikely]] {
    if (std::optional<Error> misuse = own_context_error(cx, leaf->what)) {
      Outcome<> refused = Outcome<>::err(std::move(*misuse));
      return answer(task, &refused);
    }
  }
  task.kernel().note_checkpoint(task);
  if (task.word.load().must_observe()) return refuse_request(task);
  if (ops->try_now(op)) return ops->more == nullptr ? answer(task, nullptr) : start_with_more(task);
  return arm(task) || refuse_request(task);
}

LeafNext WaitBase::finish(TaskRecord& task, void* data, TaskWord before) noexcept {
  auto& wait = *static_cast<WaitBase*>(data);
  // A grant is known by the claim. By a request the list must be left; a grant may have been faster all the same where the task is
  // to end for another reason (a destructor threw).
  const bool requested = before.has(TaskWord::by_request_bit);
  if (wait.ops->more != nullptr) {
    const bool granted = wait.ops->delist(wait.op, wait.node);
    if (requested && granted) wait.ops->give_back(wait.op);
    wait.won = !requested;
    return wait.end_wait(task);
  }
  if (requested && wait.ops->delist(wait.op, wait.node)) wait.ops->give_back(wait.op);
  if (!requested) return wait.settle(wait, task, nullptr) ? LeafNext::Ended : LeafNext::Resume;
  if (!wait.observed) return LeafNext::EndCancelled;
  Outcome<> cancelled = Outcome<>::cancelled(task.kernel().reason_seen_by(task));
  return wait.settle(wait, task, &cancelled) ? LeafNext::Ended : LeafNext::Resume;
}

// ---- timers ----

void WaitAlarm::fired(TimerEntry& entry) noexcept {
  WaitNode& node = *static_cast<WaitAlarm&>(entry).node_;
  node.granted = true;
  if (!Kernel::claim(node.waiter)) node.granted = false;
}

void WaitAlarm::arm(WaitNode& node, Time until) noexcept {
  node_ = &node;
  deadline = until;
  fire = fired;
  current_task()->kernel().executor().arm(*this);
}

// It may be firing now, and reads the node until it is disarmed. Disarmed, it is not firing: the mark stands.
bool WaitAlarm::disarm() noexcept {
  if (node_ == nullptr) return false;
  current_task()->kernel().executor().disarm(*this);
  return std::exchange(std::exchange(node_, nullptr)->granted, false);
}

// ---- of an operation that looks again or closes ----

const LeafOps WaitBase::closing{finish_closing, "what a wait must have before its task goes on",
                                false,          nullptr,
                                nullptr,        WaitBase::subject};

LeafNext WaitBase::settle_with(TaskRecord& task, Outcome<>* refused) noexcept {
  return settle(*this, task, refused) ? LeafNext::Ended : LeafNext::Resume;
}

LeafNext WaitBase::settle_request(TaskRecord& task) noexcept {
  if (!observed || task.word.load().escalated()) return LeafNext::EndCancelled;
  Outcome<> cancelled = request_as_outcome(task);
  return settle_with(task, &cancelled);
}

/// What is ready at once may have to look, to close, or to wait all the same.
bool WaitBase::start_with_more(TaskRecord& task) noexcept {
  won = true;
  switch (end_wait(task)) {
    case LeafNext::Resume: return give_way(task);
    case LeafNext::Ended: signal(task, Signal::Ended); return true;
    case LeafNext::EndCancelled: refuse(task); return true;
    case LeafNext::Again: break;
  }
  return true;
}

LeafNext WaitBase::end_wait(TaskRecord& task) noexcept {
  const bool forced = task.word.load().escalated() || task.torn;
  if (ops->more->close != nullptr && !forced && !ops->more->close(op, won)) {
    arm_wait(task, closing, this, true);
    node = {.waiter = waiter_of(task), .operation = op};
    ops->more->close_enlist(op, node);
    return LeafNext::Again;
  }
  return look(task);
}

LeafNext WaitBase::finish_closing(TaskRecord& task, void* data, TaskWord) noexcept {
  auto& wait = *static_cast<WaitBase*>(data);
  wait.ops->more->closed(wait.op);
  return wait.look(task);
}

LeafNext WaitBase::look(TaskRecord& task) noexcept {
  if (won && (task.word.load().escalated() || task.torn)) {
    ops->give_back(op);
    won = false;
  }
  if (!won) return settle_request(task);
  if (ops->more->again == nullptr) return settle_with(task, nullptr);
  std::exception_ptr thrown;
  switch (ops->more->again(op, thrown)) {
    case Look::Yes: return settle_with(task, nullptr);
    case Look::Threw: {
      Outcome<> panicked = panic_as_outcome(task, std::move(thrown));
      return settle_with(task, &panicked);
    }
    case Look::NotYet: break;
  }
  task.kernel().note_checkpoint(task);
  if (arm(task)) return LeafNext::Again;
  ops->give_back(op);
  return settle_request(task);
}

}  // namespace quiesce::detail
