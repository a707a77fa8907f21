#include "quiesce/handle.hpp"

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {
namespace {

LeafNext finish_join(TaskRecord& joiner, void* data, TaskWord before) noexcept {
  auto& wait = *static_cast<JoinWait*>(data);
  if (before.has(TaskWord::by_request_bit)) {
    retract_joiner(*wait.target, joiner);
    if (!wait.observed) return LeafNext::EndCancelled;
    wait.refused = Outcome<>::cancelled(joiner.kernel().reason_seen_by(joiner));
  }
  return wait.settle(wait, joiner) ? LeafNext::Ended : LeafNext::Resume;
}

constexpr LeafOps join_wait{finish_join, "join", true, [](void* data) noexcept -> const TaskRecord* {
                              return static_cast<JoinWait*>(data)->target;
                            }};

}  // namespace

void retract_joiner(TaskRecord& target, const TaskRecord& leaving) noexcept {
  target.word.apply([](TaskWord w) { return task_word::retract_joiner(w); });
  const Waiter announced{target.joiner.load(std::memory_order_acquire)};
  if (announced.index() == leaving.index) return;
  if (!target.word.apply([](TaskWord w) { return task_word::announce_joiner(w); })) Kernel::claim(announced);
}

[[gnu::noinline]] static bool is_joined_by_another(const TaskRecord& target) noexcept {
  const Waiter announced{target.joiner.load(std::memory_order_acquire)};
  const TaskRecord* joiner = TaskSlab::find(announced.index());
  if (joiner == nullptr) return false;
  const TaskWord word = joiner->word.load();
  const bool parks = word.next_epoch().epoch() == announced.epoch();
  return parks || (word.pending() && word.epoch() == announced.epoch());
}

bool has_other_joiner(const TaskRecord& target) noexcept {
  return target.word.load().has(TaskWord::joiner_bit) && is_joined_by_another(target);
}

std::optional<Error> JoinWait::misuse(const TaskRecord& task) const {
  if (target == nullptr) return Error(ErrorCode::PolledAfterCompletion, "join of a handle that was moved from");
  if (target == &task)
    return Error(ErrorCode::InvalidArgument,
                 "task " + task.path.to_string() + " waits for itself: it would never end");
  if (!cx.is_of(task)) return own_context_error(cx, "join");
  return Error(ErrorCode::AlreadyJoining, "another task waits in a join of task " + target->path.to_string());
}

/// Gives what is there. False: the coroutine goes on.
inline bool JoinWait::answer(TaskRecord& task) noexcept {
  if (!settle(*this, task)) [[likely]]
    return give_way(task);
  signal(task, Signal::Ended);
  return true;
}

[[gnu::noinline]] bool JoinWait::is_misused(TaskRecord& task) noexcept {
  std::optional<Error> error = misuse(task);
  if (error) refused = Outcome<>::err(std::move(*error));
  return error.has_value();
}

static constexpr std::ptrdiff_t joined_ahead = 8;

// A joiner is a value in the joined task's record, announced by its word. Store, then announce: the announcement releases the
// value to the completion, which reads it after its own transition of the same word; when the task is done already the
// announcement fails and nothing sleeps. The value names the wait that begins with the park.
bool JoinWait::start(PromiseBase& self) noexcept {
  TaskRecord& task = *self.task;
  const bool well = target != nullptr && target != &task && cx.is_of(task);
  if (!well || has_other_joiner(*target)) [[unlikely]] {
    if (is_misused(task)) return answer(task);
  }
  const Kernel& kernel = task.kernel();
  kernel.use(*target, Use::Read);
  if (target->word.load().done()) {
    // Whoever joins a task that has ended is mostly on a walk through many, which were spawned one after another.
    RealPlatform::prefetch(target, joined_ahead * sizeof(TaskRecord));
    return answer(task);
  }
  if (kernel.executor().step_now(*target) && target->word.load().done()) [[likely]]
    return answer(task);
  target->joiner.store(next_waiter_of(task).packed, std::memory_order_release);
  if (!target->word.apply([](TaskWord w) { return task_word::announce_joiner(w); })) return answer(task);
  begin_park(task, join_wait, this);
  return true;
}

bool JoinWait::take() noexcept { return take(target->result_ops->kind(*target)); }

bool JoinWait::take_failure(OutcomeKind kind) noexcept {
  auto take = [](TaskWord w) { return task_word::take(w); };
  if (kind == OutcomeKind::Panicked) return target->word.apply_alone(take).made;  // that one has been reported
  if (!target->word.apply(take)) return false;
  Kernel::unlink_failed(*target);
  return true;
}

void release_handle(TaskRecord& task) noexcept { Kernel::drop_handle(task); }
// What the calling task does next may depend on the answer: in the lab its step has read the other's end.
bool has_ended(const TaskRecord& task) noexcept {
  if (const TaskRecord* self = current_task()) self->kernel().use(task, Use::Read);
  return task.word.load().done();
}
void request_task(TaskRecord& task, const CancelReason& reason) noexcept {
  if (!has_ended(task)) task.kernel().cancel_task(task, reason);
}

Error taken_before(TaskRecord& task) {
  return Error(ErrorCode::PolledAfterCompletion, "the result of task " + task.path.to_string() +
                                                     " was taken before: by an earlier join, or by its region, "
                                                     "which took the unjoined failure when it closed")
      .with_context("task", to_string(task.id()));
}

}  // namespace quiesce::detail
