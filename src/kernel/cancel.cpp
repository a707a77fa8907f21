// Cancel requests: marking regions top down, then reaching tasks (rules C2 to C6, C10, C11; models/cancel_reach.pml).
#include <mutex>
#include <vector>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/wait.hpp"

namespace quiesce::detail {
namespace {

struct Marked {
  RegionRef region;
  bool walk = false;       // its tasks are to be reached
  bool drop_hold = false;  // a Stepper root loses its own count
};

void put_strengthened(std::optional<CancelReason>& slot, const CancelReason& reason) {
  slot = slot ? strengthen(*slot, reason) : reason;
}

/// Marks one region and appends its children. Nothing when it has closed, or when a shield keeps the request out.
void mark(RegionRef ref, const CancelReason& reason, Whose whose, bool at_its_own_wish, std::vector<Marked>& marked,
          std::vector<RegionRef>& children) {
  RegionRecord& region = *ref.record;
  Kernel& kernel = *region.kernel;
  std::scoped_lock hold(region.lock);
  if (!ref.alive()) return;
  if (region.shielded && !at_its_own_wish) {
    put_strengthened(region.pending, reason);
    return;
  }
  const bool first = !region.reason.has_value();
  const std::optional<CancelReason> before = region.reason;
  put_strengthened(region.reason, reason);
  if (whose == Whose::Outside) put_strengthened(region.outside, reason);
  if (!first && *region.reason == *before) return;  // weaker than what everybody below has already
  if (region.word.apply([&](RegionWord w) { return region_word::cancel(w, ref.generation); }).before.gate() == Gate::Open) {
    kernel.note_closing(region);
  }
  if (MetricsProvider* metrics = kernel.metrics()) metrics->cancellation_requested(ref.id(), region.reason->kind());
  Marked entry{ref, first, region.held};
  if (region.held) {
    region.held = false;
    region.body_live.store(false);
  }
  marked.push_back(entry);
  for (RegionRecord* child = region.children; child != nullptr; child = child->sibling_next) {
    children.push_back({child, child->word.load().generation()});
  }
}

/// Marks a tree, breadth first: every region is marked before any task of any of them is reached (C4).
std::vector<Marked> mark_tree(std::vector<RegionRef> tops, const CancelReason& at_top, const CancelReason& below, Whose whose,
                              bool at_its_own_wish) {
  std::vector<Marked> marked;
  std::vector<RegionRef> next;
  for (RegionRef top : tops) mark(top, at_top, whose, at_its_own_wish, marked, next);
  while (!next.empty()) {
    std::vector<RegionRef> level = std::move(next);
    next.clear();
    for (RegionRef child : level) mark(child, below, Whose::Outside, false, marked, next);
  }
  return marked;
}

/// A blocking job that has not started ends Cancelled without running (C6).
void finish_withdrawn(TaskRecord& task) noexcept {
  Kernel& kernel = *task.kernel;
  auto* job = static_cast<BlockingJob*>(task.wait_data);
  job->discard(job);
  std::optional<CancelReason> reason = kernel.reason_of(task);
  task.word.apply([](TaskWord w) { return task_word::start_step(w); });
  task.word.apply([](TaskWord w) { return task_word::finalize(w); });
  task.result_ops->put_failure(task, Outcome<>::cancelled(reason ? *reason : CancelReason::user("aborted")));
  kernel.complete(task);
}

bool request(TaskRecord& task) noexcept {
  TaskStep step = task.word.apply([](TaskWord w) { return task_word::request(w); });
  return step.made && !step.before.requested();
}

/// Wakes the task out of a wait that a request may end; true when a blocking job was withdrawn and must be finished. A blocking
/// task's shard is locked, so that its job cannot go meanwhile.
bool wake_for_request(TaskRecord& task) noexcept {
  if (task.tier == TaskTier::Blocking) {
    return task.word.load().run() == RunState::Queued && task.wait_data != nullptr &&
           task.kernel->executor().withdraw_blocking(*static_cast<BlockingJob*>(task.wait_data));
  }
  TaskWord word = task.word.load();
  if (word.masked()) task.kernel->start_mask_budget(task);
  Kernel::claim(Waiter::of(task.index, word.epoch()), true);
  return false;
}

void wake_one(TaskRecord& task) noexcept {
  if (task.tier != TaskTier::Blocking) return void(wake_for_request(task));
  bool withdrawn = false;
  {
    std::scoped_lock hold(task.region->shards[task.shard].lock);
    withdrawn = task.linked && wake_for_request(task);
  }
  if (withdrawn) finish_withdrawn(task);
}

void reach_tasks(const std::vector<Marked>& marked) noexcept {
  std::vector<TaskRecord*> withdrawn;
  for (const Marked& entry : marked) {
    if (!entry.walk) continue;
    RegionRecord& region = *entry.region.record;
    for (RegionShard& shard : region.shards) {
      std::scoped_lock hold(shard.lock);
      if (region.word.load().generation() != entry.region.generation) break;
      for (TaskRecord* task = shard.members; task != nullptr; task = task->member_next) {
        if (request(*task) && wake_for_request(*task)) withdrawn.push_back(task);
      }
    }
  }
  for (TaskRecord* task : withdrawn) finish_withdrawn(*task);
  for (const Marked& entry : marked) {
    if (entry.drop_hold) entry.region.record->kernel->release_live(*entry.region.record);
  }
}

}  // namespace

CancelReason Kernel::stamped(CancelReason reason, const RegionRecord* region, const TaskRecord* task) const {
  if (reason.time() == Time::zero()) reason = reason.with_time(executor_->now());
  if (region != nullptr && !reason.region().is_valid()) {
    reason = reason.with_region(RegionOrigin(region->id(), region->logical, region->path.to_string()));
  }
  if (task != nullptr && !reason.task().is_valid()) {
    reason = reason.with_task(TaskOrigin(task->id(), task->logical, task->path.to_string()));
  }
  return reason;
}

void Kernel::cancel_region(RegionRef region, const CancelReason& reason, Whose whose) noexcept {
  CancelReason own = reason;
  {
    std::scoped_lock hold(region.record->lock);
    if (!region.alive()) return;
    TaskRecord* requester = current_task();
    own = stamped(reason, region.record, requester != nullptr && requester->kernel == this ? requester : nullptr);
    if (region.record->bounded && !region.record->escalation_armed && !region.record->escalated) {
      CleanupBudget budget = region.record->cleanup ? *region.record->cleanup
                                                    : default_cleanup_budget(own.root_cause().rank());
      region.record->escalation_armed = true;
      region.record->escalation_timer.deadline = executor_->now() + budget.time;
      executor_->arm(region.record->escalation_timer);
    }
  }
  const CancelReason below = CancelReason::parent_cancelled().with_time(own.time()).with_cause(own);
  reach_tasks(mark_tree({region}, own, below, whose, true));
}

void Kernel::cancel_task(TaskRecord& task, const CancelReason& reason) noexcept {
  CancelReason own = stamped(reason, nullptr, &task);
  TaskExtra& rare = extra(task);
  std::vector<RegionRef> opened;
  {
    std::scoped_lock hold(rare.lock);
    put_strengthened(rare.reason, own);
    for (RegionRecord* region = rare.opened; region != nullptr; region = region->opened_next) {
      opened.push_back({region, region->word.load().generation()});
    }
  }
  // C4: what it has opened is marked first; then the task's own bit; then the tasks below; its own wait last.
  const CancelReason below = CancelReason::parent_cancelled().with_time(own.time()).with_cause(own);
  std::vector<Marked> marked = mark_tree(opened, below, below, Whose::Outside, false);
  request(task);
  reach_tasks(marked);
  wake_one(task);
}

void Kernel::deliver_request(TaskRecord& task) noexcept {
  if (request(task)) wake_one(task);
}

void Kernel::escalate_region(RegionRef region) noexcept {
  std::vector<RegionRef> level{region}, next;
  while (!level.empty()) {
    for (RegionRef ref : level) {
      RegionRecord& record = *ref.record;
      {
        std::scoped_lock hold(record.lock);
        if (!ref.alive()) continue;
        record.escalated = true;
        for (RegionRecord* child = record.children; child != nullptr; child = child->sibling_next) {
          next.push_back({child, child->word.load().generation()});
        }
      }
      for (RegionShard& shard : record.shards) {
        std::scoped_lock hold(shard.lock);
        if (record.word.load().generation() != ref.generation) break;
        for (TaskRecord* task = shard.members; task != nullptr; task = task->member_next) {
          TaskStep step = task->word.apply([](TaskWord w) { return task_word::escalate(w); });
          if (!step.made) continue;
          escalated_.fetch_add(1, std::memory_order_relaxed);
          if (metrics() != nullptr) metrics()->escalated(task->id());
          if (task->tier != TaskTier::Blocking) claim(Waiter::of(task->index, step.before.epoch()), true);
        }
      }
    }
    level = std::move(next);
    next.clear();
  }
}

std::optional<CancelReason> Kernel::reason_of(TaskRecord& task) noexcept {
  std::optional<CancelReason> reason;
  if (TaskExtra* rare = task.extra.load(std::memory_order_acquire)) {
    std::scoped_lock hold(rare->lock);
    reason = rare->reason;
  }
  RegionRecord& region = *task.region;
  std::scoped_lock hold(region.lock);
  if (region.reason) put_strengthened(reason, *region.reason);
  return reason;
}

CleanupBudget Kernel::cleanup_budget(TaskRecord& task) noexcept {
  std::optional<CancelReason> reason = reason_of(task);
  CleanupBudget budget = default_cleanup_budget(reason ? reason->root_cause().rank() : 0);
  if (task.region->cleanup) budget = *task.region->cleanup;
  if (reason && reason->cleanup()) budget = meet(budget, *reason->cleanup());
  return budget;
}

}  // namespace quiesce::detail
