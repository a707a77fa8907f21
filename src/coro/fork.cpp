// What the coroutines of a fork_join ask of the lane of their worker (detail/coro/fork_join.hpp).
#include "quiesce/detail/coro/fork_join.hpp"

#include <mutex>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce::detail {
namespace {

LeafNext finish_handed(TaskRecord& task, void* data, TaskWord) noexcept {
  auto& join = *static_cast<ForkJoinFrame*>(data);
  auto& parent = *static_cast<PromiseBase*>(task.leaf);
  if (!join.collect(join, parent)) return LeafNext::Resume;
  parent.ended = true;
  return LeafNext::Ended;
}
/// Those that have not ended yet.
WaitSubject handed_branches(void* data) noexcept {
  auto& join = *static_cast<ForkJoinFrame*>(data);
  WaitSubject subject{};
  subject.kind = "task";
  TaskExtra& rare = *join.task->extra.load(std::memory_order_acquire);
  std::scoped_lock hold(rare.lock);
  for (const ForkEntry* entry = rare.forks; entry != nullptr; entry = entry->next) {
    if (entry->join != &join) continue;
    if (subject.holder_count < subject.holders.size())
      subject.holders[subject.holder_count] = entry->record.load(std::memory_order_relaxed)->id();
    ++subject.holder_count;
  }
  return subject;
}
constexpr LeafOps handed_wait{finish_handed, "forked branches", false, nullptr, nullptr, handed_branches};

}  // namespace

[[gnu::noinline]] static void offer_forks(ForkJoinCore& join, ForkLane& lane) noexcept {
  if (join.task->tier == TaskTier::Local) return;  // S4: what it borrows may not leave the worker
  Executor& executor = join.task->kernel().executor();
  lane.offer([&](ForkEntry& offered) { executor.offered(lane, offered); });
}

void push_forks(ForkJoinCore& join, ForkEntry* const* row, std::size_t count) noexcept {
  ForkLane* lane = thread_context.forks;
  QUIESCE_ASSERT(lane != nullptr, "whoever steps tasks gives them a lane");
  join.lane = lane;
  for (std::size_t i = 0; i < count; ++i) lane->push(*row[i]);
  if (lane->wants_to_offer()) [[unlikely]]
    offer_forks(join, *lane);
}

bool join_with_care(ForkEntry& entry) noexcept {
  ForkJoinCore& join = *entry.join;
  Kernel& kernel = join.task->kernel();
  if (join.lane->is_watched) kernel.executor().joins(*join.task, entry);
  if (!join.lane->join(entry)) return false;
  if (!join.failed.load(std::memory_order_relaxed)) return true;
  // It is to be asked to stop before it begins, and its parent is not: so it becomes a task.
  number(entry);
  if (TaskRecord* task = kernel.begin_fork(entry))
    kernel.executor().schedule(*task, task->is_timed() ? Lane::Timed : Lane::Ready, Origin::Spawn);
  return false;
}

/// What the parent does next depends on which of its branches have ended; those that have, `release_branch` tells of.
static void tell_reads(const ForkJoinFrame& join) noexcept {
  TaskExtra* rare = join.task->extra.load(std::memory_order_acquire);
  if (rare == nullptr) return;
  std::scoped_lock hold(rare->lock);
  for (const ForkEntry* entry = rare->forks; entry != nullptr; entry = entry->next) {
    TaskRecord* record = entry->record.load(std::memory_order_relaxed);
    if (entry->join == &join) record->kernel().use(*record, Use::Read);
  }
}

bool await_handed(ForkJoinFrame& join) noexcept {
  TaskRecord& task = *join.task;
  if (task.kernel().config().exact) tell_reads(join);
  const auto handed = static_cast<std::int32_t>(join.handed);
  if (join.pending.load(std::memory_order_acquire) == -handed) return true;
  begin_wait(task, handed_wait, &join, true);
  join.waiter = waiter_of(task);
  // acq_rel: releases the waiter to the last branch; acquires what the branches have written.
  if (join.pending.fetch_add(handed, std::memory_order_acq_rel) + handed != 0) return false;
  abandon_wait(task);
  signal(task, Signal::AwaitChild);
  return true;
}

bool stopped_by_join(const CancelReason& reason) noexcept {
  for (const CancelReason* at = &reason; at != nullptr; at = at->cause()) {
    if (at->kind() == CancelKind::FailFast && at->message() == fork_stop_message) return true;
  }
  return false;
}

void release_branch(TaskRecord& record) noexcept {
  record.kernel().use(record, Use::Read);
  Kernel::drop_reference(record);
}

PanicPayload note_branch_panic(TaskRecord& task) noexcept {
  return task.kernel().note_panic(task, std::current_exception());
}

void fail_join(ForkJoinFrame& join) noexcept { join.task->kernel().stop_forks(join); }

StepEnd fork_step(TaskRecord& task, TaskWord before) noexcept {
  auto& entry = *static_cast<ForkEntry*>(task.leaf);
  const auto& ops = *static_cast<const ForkOps*>(entry.step_ops);
  task.result_ops = ops.empty_result;
  PromiseBase* root = nullptr;
  Outcome<> failure = Outcome<>::ok();
  try {
    root = ops.make(entry, task);
    if (root == nullptr) failure = Outcome<>::err(empty_task());
  } catch (...) { failure = Outcome<>::panicked(task.kernel().note_panic(task, std::current_exception())); }
  if (root == nullptr) return end_without_body(task, std::move(failure));
  root->task = &task;
  task.held = {};
  task.leaf = root;
  return coroutine_step(task, before);
}

}  // namespace quiesce::detail
