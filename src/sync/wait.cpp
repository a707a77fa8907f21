#include "quiesce/detail/sync/wait.hpp"

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

Outcome<> request_as_outcome(TaskRecord& task) noexcept {
  task.word.apply([](TaskWord w) { return task_word::acknowledge(w); });
  return Outcome<>::cancelled(task.kernel().reason_seen_by(task));
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
  if (ops->try_now(op)) return answer(task, nullptr);
  if (!arm_wait(task, *leaf, this)) return refuse_request(task);
  node = {.waiter = waiter_of(task), .operation = op};
  ops->enlist(op, node);
  return true;
}

LeafNext WaitBase::finish(TaskRecord& task, void* data, TaskWord before) noexcept {
  auto& wait = *static_cast<WaitBase*>(data);
  // A grant is known by the claim. By a request the list must be left; a grant may have been faster all the same where the task is
  // to end for another reason (a destructor threw).
  const bool requested = before.has(TaskWord::by_request_bit);
  if (requested && wait.ops->delist(wait.op, wait.node)) wait.ops->give_back(wait.op);
  if (!requested) return wait.settle(wait, task, nullptr) ? LeafNext::Ended : LeafNext::Resume;
  if (!wait.observed) return LeafNext::EndCancelled;
  Outcome<> cancelled = Outcome<>::cancelled(task.kernel().reason_seen_by(task));
  return wait.settle(wait, task, &cancelled) ? LeafNext::Ended : LeafNext::Resume;
}

}  // namespace quiesce::detail
