// Forked branches that become tasks (detail/kernel/fork.hpp has the protocol).
#include "quiesce/detail/kernel/fork.hpp"

#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/handed_forks.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce::detail {
namespace {

/// The last that a handed branch does with what lies in its parent's frame (protocol, 6).
void leave_join(ForkJoinCore& join) noexcept {
  // acq_rel: releases the branch's result to the parent; the last acquires the waiter that the parent stored before it added.
  if (join.pending.fetch_sub(1, std::memory_order_acq_rel) == 1) Kernel::claim(join.waiter);
}

CancelReason stopped_by_sibling() { return CancelReason::fail_fast(fork_stop_message); }

/// Starts nothing: the entry goes back to its parent, which finds no record.
void give_back(ForkEntry& entry) noexcept {
  entry.record.store(nullptr, std::memory_order_relaxed);
  leave_join(*entry.join);
}

}  // namespace

TaskRecord* Kernel::begin_fork(ForkEntry& entry) noexcept {
  ForkJoinCore& join = *entry.join;
  TaskRecord& parent = *join.task;
  RegionRecord& region = *parent.region;
  TaskRecord* task = nullptr;
  TaskExtra* parents = nullptr;
  const RegionRef ref{&region, region.word.load().generation()};
  region.fork_count.fetch_add(1);
  region.word.add_one();  // R3: the parent holds this life
  use(region, Use::Enter);
  try {
    parents = &extra(parent);
    task = admit_task({.region = ref,
                       .parent = &parent,
                       .tier = parent.tier,
                       .role = TaskRole::Fork,
                       .policy = policy_of(parent),
                       .capabilities = capabilities_of(parent),
                       .ordinal = entry.ordinal})
               .value();
    const TaskWord above = parent.word.load();
    if (join.masked && above.masked() && !above.escalated()) enter_mask(*task);
  } catch (...) {  // no memory
    if (task != nullptr) {
      task->word.apply_alone([](TaskWord w) { return task_word::complete(w); });
      drop_reference(*task);
    }
    region.fork_count.fetch_sub(1);
    release_live(region);
    give_back(entry);
    return nullptr;
  }
  task->joiner.store(reinterpret_cast<std::uintptr_t>(&entry), std::memory_order_relaxed);
  task->leaf = &entry;
  // From here on whoever looks at the parent finds the branch. What has come to the parent before is passed on here (protocol, 7).
  std::optional<CancelReason> reason;
  bool stops;
  entry.record.store(task, std::memory_order_release);
  {
    std::scoped_lock hold(parents->lock);
    link_handed(*parents, entry);
    reason = parents->reason;
    stops = join.failed.load(std::memory_order_seq_cst);
  }
  announce(*task);
  if (reason)
    cancel_task(*task,
                CancelReason::parent_cancelled("the task that forked was asked to stop").with_cause(*reason));
  if (stops) cancel_task(*task, stopped_by_sibling());
  if (task->word.load().masked() && !parent.word.load().masked())
    expire_mask(*task, task->word.load().mask_epoch(), CancelKind::Deadline);
  return task;
}

void Kernel::promote_forks(ForkLane& lane) noexcept {
  while (ForkEntry* entry = lane.pop()) {
    number(*entry);
    if (TaskRecord* task = begin_fork(*entry))
      executor_->schedule(*task, task->is_timed() ? Lane::Timed : Lane::Ready, Origin::Spawn);
  }
}

bool Kernel::stop_forks(ForkJoinCore& join) noexcept {
  // seq_cst, this and the look at the extra: pairs with who makes the extra and then looks here.
  if (join.failed.exchange(true, std::memory_order_seq_cst)) return false;
  TaskExtra* rare = join.task->extra.load(std::memory_order_seq_cst);
  if (rare == nullptr) return true;  // none is handed over yet; who does it later sees what is written here
  std::vector<TaskRecord*> branches;
  {
    std::scoped_lock hold(rare->lock);
    hold_forks(
        *rare, [&](const ForkEntry& entry) { return entry.join == &join; }, branches);
  }
  for (TaskRecord* branch : branches) {
    cancel_task(*branch, stopped_by_sibling());
    drop_reference(*branch);
  }
  return true;
}

void Kernel::expire_fork_masks(TaskRecord& task, CancelKind kind) noexcept {
  TaskExtra& rare = *task.extra.load(std::memory_order_acquire);
  std::vector<TaskRecord*> branches;
  {
    std::scoped_lock hold(rare.lock);
    hold_forks(
        rare, [](const ForkEntry& entry) { return entry.join->masked; }, branches);
  }
  for (TaskRecord* branch : branches) {
    expire_mask(*branch, branch->word.load().mask_epoch(), kind);
    drop_reference(*branch);
  }
}

// The record stays until the parent has taken its result. `complete` has left it a reference for this.
void Kernel::end_fork(TaskRecord& task, ForkEntry& entry, OutcomeKind kind) noexcept {
  ForkJoinCore& join = *entry.join;
  TaskRecord& parent = *join.task;
  RegionRecord& region = *task.region;
  {
    TaskExtra& rare = *parent.extra.load(std::memory_order_acquire);
    std::scoped_lock hold(rare.lock);
    unlink_handed(rare, entry);
  }
  const bool asked =
      kind == OutcomeKind::Cancelled && parent.word.load().requested();  // then its siblings have been, too
  if (kind != OutcomeKind::Ok && !asked) entry.failed_first = stop_forks(join);
  drop_reference(task);
  region.fork_count.fetch_sub(1);
  release_live(region);
  leave_join(join);
}

}  // namespace quiesce::detail
