// Cancel requests: marking regions top down, then reaching tasks (rules C2 to C6, C10, C11; models/cancel_reach.pml).
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "quiesce/detail/kernel/fork.hpp"
#include "quiesce/detail/kernel/handed_forks.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/wait.hpp"

namespace quiesce::detail {
namespace {

struct Marked {
  RegionRef region;
  bool drop_hold = false;  // a Stepper root loses its own count
  CancelKind kind = CancelKind::User;
};

void put_strengthened(std::optional<CancelReason>& slot, const CancelReason& reason) {
  slot = slot ? strengthen(*slot, reason) : reason;
}

CleanupBudget cleanup_under(const RegionRecord& region, const CancelReason& reason) {
  CleanupBudget budget = region.cleanup ? *region.cleanup : default_cleanup_budget(rank(reason.root_kind()));
  return reason.cleanup() ? meet(budget, *reason.cleanup()) : budget;
}

/// Under the region's lock: a bounded region's clean-up budget runs from the first request; a graver one tightens it (C3, C10).
void arm_escalation(RegionRecord& region) {
  if (!region.bounded || region.escalated) return;
  const Time due = region.requested_at + cleanup_under(region, *region.reason).time;
  Executor& executor = region.kernel->executor();
  if (region.escalation_armed) {
    if (due >= region.escalation_timer.deadline) return;
    executor.disarm(region.escalation_timer);
  }
  region.escalation_armed = true;
  region.escalation_timer.deadline = due;
  executor.arm(region.escalation_timer);
}

/// What a descendant carries: ParentCancelled with the original as cause, at any depth (C4).
CancelReason below(const CancelReason& reason) {
  if (reason.kind() == CancelKind::ParentCancelled && reason.cause() != nullptr) return reason;
  return CancelReason::parent_cancelled().with_time(reason.time()).with_cause(reason);
}

/// Marks one region and appends its children. Nothing when it has closed, or when a shield keeps the request out.
void mark(RegionRef ref, const CancelReason& reason, Whose whose, bool at_its_own_wish,
          std::vector<Marked>& marked, std::vector<RegionRef>& children) {
  RegionRecord& region = *ref.record;
  std::scoped_lock hold(region.lock);
  if (!ref.alive()) return;
  Kernel& kernel = *region.kernel;  // not before: the record may have a new life by now
  if (region.shielded && !at_its_own_wish) {
    put_strengthened(region.pending, reason);
    return;
  }
  const bool first = !region.reason.has_value();
  kernel.use(region, Use::Write);
  const std::optional<CancelReason> before = region.reason;
  put_strengthened(region.reason, reason);
  if (kernel.plants(Defect::ReasonWeakened)) region.reason = reason;
  kernel.tell({.kind = KernelEventKind::RegionRequested, .region = &region, .reason = &*region.reason});
  if (whose == Whose::Outside) {
    put_strengthened(region.outside, reason);
    region.cancel_is_noted.store(false, std::memory_order_relaxed);
  }
  if (first) region.requested_at = kernel.executor().now();
  if (!first && *region.reason == *before) return;  // weaker than what everybody below has already
  arm_escalation(region);
  if (region.word.apply([&](RegionWord w) { return region_word::cancel(w, ref.generation); }).before.gate() ==
      Gate::Open) {
    kernel.note_closing(region);
  }
  Marked entry{ref, region.held, region.reason->kind()};
  region.held = false;
  marked.push_back(entry);
  for (RegionRecord* child = region.children; child != nullptr; child = child->sibling_next) {
    children.push_back({child, child->word.load().generation()});
  }
}

/// Marks a tree, breadth first: every region is marked before any task of any of them is reached (C4).
std::vector<Marked> mark_tree(std::vector<RegionRef> tops, const CancelReason& at_top, Whose whose,
                              bool at_its_own_wish) {
  std::vector<Marked> marked;
  std::vector<RegionRef> next;
  for (RegionRef top : tops) mark(top, at_top, whose, at_its_own_wish, marked, next);
  while (!next.empty()) {
    std::vector<RegionRef> level = std::move(next);
    next.clear();
    for (RegionRef child : level) mark(child, below(at_top), Whose::Outside, false, marked, next);
    if (!level.empty() && level.front().record->kernel->plants(Defect::GrandchildForgotten)) break;
  }
  for (const Marked& entry : marked) {
    report_metric(entry.region.record->kernel->metrics(),
                  [&](MetricsProvider& to) { to.cancellation_requested(entry.region.id(), entry.kind); });
  }
  return marked;
}

/// A blocking job that has not started ends Cancelled without running (C6).
void finish_withdrawn(TaskRecord& task) noexcept {
  Kernel& kernel = task.kernel();
  BlockingJob* job = task.job;
  job->discard(job);
  std::optional<CancelReason> reason = kernel.reason_of(task);
  task.word.apply([](TaskWord w) { return task_word::finalize(w); });
  task.result_ops->put_failure(task, Outcome<>::cancelled(reason ? *reason : CancelReason::user("aborted")));
  kernel.complete(task);
}

bool request(TaskRecord& task) noexcept {
  task.kernel().use(task, Use::Write);
  TaskStep step = task.word.apply([](TaskWord w) { return task_word::request(w); });
  const bool first = step.made && !step.before.requested();
  if (first) task.kernel().tell({.kind = KernelEventKind::TaskRequested, .task = &task});
  return first;
}

/// Wakes the task out of a wait that a request may end; true when a blocking job was withdrawn and must be finished. A blocking
/// task's shard is locked, so that its job cannot go meanwhile.
bool wake_for_request(TaskRecord& task) noexcept {
  if (task.tier == TaskTier::Blocking) {
    return task.steps.load(std::memory_order_relaxed) == 0 && task.job != nullptr &&
           task.kernel().executor().withdraw_blocking(*task.job);
  }
  TaskWord word = task.word.load();
  if (word.masked()) task.kernel().start_mask_budget(task);
  Kernel::claim(Waiter::of(task.index, word.epoch()), true);
  return false;
}

/// Requests, and wakes it out of its wait, in one transition: what most tasks of a region need. False: it is to be done in two.
bool request_sleeper(TaskRecord& task) noexcept {
  if (task.tier == TaskTier::Blocking || task.kernel().config().exact) return false;
  const TaskStep step = task.word.apply([](TaskWord w) -> task_word::Next {
    const task_word::Next requested = w.requested() || w.masked() ? task_word::Next() : task_word::request(w);
    return requested ? task_word::claim(*requested, requested->epoch(), true) : requested;
  });
  if (step.made && step.before.run() == RunState::Idle) Kernel::wake(task, true);
  return step.made;
}

void wake_one(TaskRecord& task) noexcept {
  if (task.tier != TaskTier::Blocking) return void(wake_for_request(task));
  bool withdrawn = false;
  {
    std::scoped_lock hold(task.shard().lock);
    withdrawn = task.membership == Membership::Shard && wake_for_request(task);
  }
  if (withdrawn) finish_withdrawn(task);
}

void reach_tasks(const std::vector<Marked>& marked) noexcept {
  std::vector<TaskRecord*> withdrawn;
  for (const Marked& entry : marked) {
    RegionRecord& region = *entry.region.record;
    for (RegionShard& shard : region.shards) {
      std::scoped_lock hold(shard.lock);
      if (region.word.load().generation() != entry.region.generation) break;
      TaskRecord* first = first_member(shard.members);
      if (first != nullptr && first->kernel().plants(Defect::TaskForgotten)) first = next_member(*first);
      for (TaskRecord *task = first, *next; task != nullptr; task = next) {
        next = next_member(*task);
        __builtin_prefetch(next);
        if (request_sleeper(*task)) continue;
        if (!request(*task)) {
          if (task->word.load().masked())
            task->kernel().start_mask_budget(*task);  // C3: a graver reason tightens it
        } else if (wake_for_request(*task)) {
          withdrawn.push_back(task);
        }
      }
    }
  }
  for (TaskRecord* task : withdrawn) finish_withdrawn(*task);
  for (const Marked& entry : marked) {
    if (entry.drop_hold) entry.region.record->kernel->release_body(*entry.region.record);
  }
}

}  // namespace

CancelReason Kernel::stamped(CancelReason reason, const RegionRecord* region, const TaskRecord* task) const {
  if (reason.time() == Time::zero()) reason = reason.with_time(executor_->now());
  if (region != nullptr && !reason.region().is_valid()) {
    reason = reason.with_region(RegionOrigin(region->id(), region->logical, region->path.to_string()));
  }
  if (task != nullptr && !reason.task().is_valid()) {
    reason = reason.with_task(TaskOrigin(task->id(), task->logical(), task->path.to_string()));
  }
  return reason;
}

void Kernel::cancel_region(RegionRef region, const CancelReason& reason, Whose whose) noexcept {
  CancelReason own = reason;
  {
    std::scoped_lock hold(region.record->lock);
    if (!region.alive()) return;
    TaskRecord* requester = current_task();
    own = stamped(reason, region.record,
                  requester != nullptr && &requester->kernel() == this ? requester : nullptr);
  }
  reach_tasks(mark_tree({region}, own, whose, true));
  tell({.kind = KernelEventKind::RequestDelivered, .region = region.record, .reason = &own});
}

void Kernel::inherit_request(RegionRef region, const CancelReason& reason) noexcept {
  reach_tasks(mark_tree({region}, below(reason), Whose::Outside, true));
  tell({.kind = KernelEventKind::RequestDelivered, .region = region.record, .reason = &reason});
}

void Kernel::lift_shield(RegionRef region, const std::optional<CancelReason>& reason) noexcept {
  std::optional<CancelReason> waiting;
  {
    std::scoped_lock hold(region.record->lock);
    if (!region.alive() || !region.record->shielded) return;
    region.record->shielded = false;
    std::swap(waiting, region.record->pending);
    tell({.kind = KernelEventKind::ShieldLifted, .region = region.record});
  }
  if (!waiting) waiting = reason;
  if (waiting) inherit_request(region, *waiting);
}

void Kernel::cancel_task(TaskRecord& task, const CancelReason& reason) noexcept {
  const CancelReason own = stamped(reason, nullptr, current_task());
  std::vector<TaskRecord*> forks;  // each held, for its branches to be asked in their turn
  request_one(task, own, forks);
  const CancelReason to_forks = below(own);
  while (!forks.empty()) {
    TaskRecord& fork = *forks.back();
    forks.pop_back();
    request_one(fork, to_forks, forks);
    wake_one(fork);
    drop_reference(fork);
  }
  wake_one(task);
}

/// All that a request on a task does but the end of its wait.
void Kernel::request_one(TaskRecord& task, const CancelReason& own, std::vector<TaskRecord*>& forks) noexcept {
  TaskExtra& rare = extra(task);
  std::vector<RegionRef> opened;
  {
    std::scoped_lock hold(rare.lock);
    put_strengthened(rare.reason, own);
    for (RegionRecord* region = rare.opened; region != nullptr; region = region->opened_next) {
      opened.push_back({region, region->word.load().generation()});
    }
    hold_forks(
        rare, [](const ForkEntry&) { return true; }, forks);
  }
  // C4: what it has opened is marked first; then the task's own bit; then the tasks below; its own wait last.
  std::vector<Marked> marked = mark_tree(opened, below(own), Whose::Outside, false);
  request(task);
  reach_tasks(marked);
  tell({.kind = KernelEventKind::RequestDelivered, .task = &task, .reason = &own});
}

void Kernel::deliver_request(TaskRecord& task) noexcept {
  if (request(task)) wake_one(task);
}

bool Kernel::escalate_task(TaskRecord& task) noexcept {
  if (task.tier == TaskTier::Blocking) return false;  // its job is waited for
  TaskStep step = task.word.apply([](TaskWord w) { return task_word::escalate(w); });
  if (step.made) claim(Waiter::of(task.index, step.before.epoch()), true);
  return step.made;
}

void Kernel::note_escalated(TaskId task, const std::string& path) noexcept {
  escalated_.fetch_add(1, std::memory_order_relaxed);
  report_metric(metrics(), [&](MetricsProvider& to) { to.escalated(task); });
  if (config_.log == nullptr) return;
  const LogField fields[] = {{"task", path}};
  config_.log->write(
      LogLevel::Warn,
      "a task ignored a cancel request past its clean-up budget: its frame goes where it next suspends",
      fields);
}

void Kernel::deliver_escalation(TaskRecord& task) noexcept {
  {
    std::scoped_lock hold(task.region->lock);
    if (!task.region->escalated) return;
  }
  if (task.role != TaskRole::Finalizer && escalate_task(task)) note_escalated(task.id(), task.path.to_string());
}

void Kernel::escalate_region(RegionRef region) noexcept {
  std::vector<RegionRef> level{region}, next;
  std::optional<CancelReason> reason;
  while (!level.empty()) {
    for (RegionRef ref : level) {
      RegionRecord& record = *ref.record;
      bool shielded;
      {
        std::scoped_lock hold(record.lock);
        if (!ref.alive()) continue;
        record.escalated = true;
        shielded = record.shielded;
        if (!reason) reason = record.reason;
        for (RegionRecord* child = record.children; child != nullptr; child = child->sibling_next) {
          next.push_back({child, child->word.load().generation()});
        }
      }
      if (shielded) lift_shield(ref, reason);  // whatever mask held the request off: its budget is spent too
      std::vector<std::pair<TaskId, std::string>> escalated;
      for (RegionShard& shard : record.shards) {
        std::scoped_lock hold(shard.lock);
        if (record.word.load().generation() != ref.generation) break;
        for (TaskRecord* task = first_member(shard.members); task != nullptr; task = next_member(*task)) {
          std::pair<TaskId, std::string> who(
              task->id(), task->path.to_string());  // it may be gone once it has been claimed
          if (escalate_task(*task)) escalated.push_back(std::move(who));
        }
      }
      for (const auto& [task, path] : escalated) note_escalated(task, path);
    }
    level = std::move(next);
    next.clear();
  }
}

void Kernel::bound_finalizer(RegionRecord& region) noexcept {
  std::scoped_lock hold(region.lock);
  if (!region.bounded) return;
  CleanupBudget budget = region.cleanup
                             ? *region.cleanup
                             : default_cleanup_budget(region.reason ? rank(region.reason->root_kind()) : 0);
  if (std::exchange(region.escalation_armed, true)) executor_->disarm(region.escalation_timer);
  region.escalation_timer.deadline = executor_->now() + budget.time;
  executor_->arm(region.escalation_timer);
}

bool own_cancellation(const CancelReason& reason, RegionId region) noexcept {
  for (const CancelReason* at = &reason; at != nullptr; at = at->cause()) {
    if ((at->kind() == CancelKind::FailFast || at->kind() == CancelKind::RaceLost) && at->region() == region)
      return true;
  }
  return false;
}

std::optional<CancelReason> Kernel::reason_of(TaskRecord& task) noexcept {
  RegionRecord& region = *task.region;
  std::optional<CancelReason> reason;
  if (TaskExtra* rare = task.extra.load(std::memory_order_acquire)) {
    std::scoped_lock hold(rare->lock);
    reason = rare->reason;
  }
  std::scoped_lock hold(region.lock);
  if (!reason) return region.reason;
  if (region.reason) put_strengthened(reason, *region.reason);
  return reason;
}

CancelReason Kernel::reason_seen_by(TaskRecord& task) noexcept {
  std::optional<CancelReason> reason = reason_of(task);
  return reason ? std::move(*reason) : CancelReason::user("the task is being unwound");
}

CleanupBudget Kernel::cleanup_budget(TaskRecord& task) noexcept {
  std::optional<CancelReason> reason = reason_of(task);
  if (reason) return cleanup_under(*task.region, *reason);
  return task.region->cleanup ? *task.region->cleanup : default_cleanup_budget(0);
}

}  // namespace quiesce::detail
