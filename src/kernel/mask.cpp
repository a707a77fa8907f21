// Masks and their clean-up budgets (rules C7, C11, F2).
#include <limits>
#include <mutex>
#include <new>
#include <vector>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {
namespace {

/// A task whose record is kept from being freed for a moment; nullptr when it is being freed already.
TaskRecord* hold_owner(TaskExtra& rare) noexcept {
  TaskRecord* owner = rare.owner;
  if (owner == nullptr) return nullptr;
  return owner->references.try_add() ? owner : nullptr;
}

void run_mask_check(WorkItem& item) noexcept {
  auto& rare = *reinterpret_cast<TaskExtra*>(reinterpret_cast<char*>(&item) - offsetof(TaskExtra, mask_check));
  TaskRecord* task;
  std::uint8_t epoch;
  {
    std::scoped_lock hold(rare.lock);
    task = hold_owner(rare);
    if (task == nullptr) return;
    bool due = rare.mask_timer_armed && rare.mask_timer.deadline <= task->kernel().executor().now();
    epoch = rare.timed_mask_epoch;
    if (due) rare.mask_timer_armed = false;
    if (!due)
      epoch = static_cast<std::uint8_t>(task->word.load().mask_epoch() + 1);  // matches no mask in force
  }
  task->kernel().expire_mask(*task, epoch, CancelKind::Deadline);
  Kernel::drop_reference(*task);
}

void mask_timer_fired(TimerEntry& entry) noexcept {
  auto& rare = *reinterpret_cast<TaskExtra*>(reinterpret_cast<char*>(&entry) - offsetof(TaskExtra, mask_timer));
  if (!rare.mask_check.try_post()) return;
  rare.owner->kernel().executor().post(rare.mask_check);
}

}  // namespace

TaskExtra& Kernel::extra(TaskRecord& task) {
  if (TaskExtra* rare = task.extra.load(std::memory_order_acquire)) return *rare;
  TaskExtra* made = ExtraSlab::allocate();
  if (made == nullptr) throw std::bad_alloc();
  {
    std::scoped_lock hold(made->lock);
    made->owner = &task;
    made->mask_check.run = run_mask_check;
    made->mask_timer.fire = mask_timer_fired;
    made->mask_timer_armed = false;
  }
  TaskExtra* there = task.extra.set_once(*made);
  if (there != made) ExtraSlab::free(made);
  return *there;
}

void Kernel::enter_mask(TaskRecord& task) {
  TaskExtra& rare = extra(task);
  if (++rare.mask_depth > 1) return;
  rare.mask_steps_used.store(0, std::memory_order_relaxed);
  rare.mask_steps_max.store(~0u, std::memory_order_relaxed);
  TaskStep entered = task.word.apply([](TaskWord w) { return task_word::mask(w); });
  if (entered.before.requested()) start_mask_budget(task);
}

void Kernel::leave_mask(TaskRecord& task) noexcept {
  TaskExtra& rare = *task.extra.load(std::memory_order_relaxed);
  if (--rare.mask_depth > 0) return;
  task.word.apply([](TaskWord w) { return task_word::unmask(w); });
  stop_mask_timer(task);
}

void Kernel::stop_mask_timer(TaskRecord& task) noexcept {
  TaskExtra* rare = task.extra.load(std::memory_order_acquire);
  if (rare == nullptr) return;
  bool armed = false;
  {
    std::scoped_lock hold(rare->lock);
    std::swap(armed, rare->mask_timer_armed);
  }
  if (armed) executor_->disarm(rare->mask_timer);
}

// A mask's budget runs from the request or the outermost mask, whichever is later. Any thread.
void Kernel::start_mask_budget(TaskRecord& task) noexcept {
  TaskExtra* rare = task.extra.load(std::memory_order_acquire);
  if (rare == nullptr) return;
  CleanupBudget budget = rare->own_mask_budget ? *rare->own_mask_budget : cleanup_budget(task);
  std::scoped_lock hold(rare->lock);
  TaskWord word = task.word.load();
  if (!word.masked()) return;
  if (rare->mask_timer_armed) {  // C3: a further request only tightens it
    if (budget.steps < rare->mask_steps_max.load()) rare->mask_steps_max.store(budget.steps);
    if (rare->mask_begun + budget.time >= rare->mask_timer.deadline) return;
    executor_->disarm(rare->mask_timer);
  } else {
    rare->mask_begun = executor_->now();
    rare->mask_steps_max.store(budget.steps);
  }
  rare->mask_timer_armed = true;
  rare->timed_mask_epoch = word.mask_epoch();
  rare->mask_timer.deadline = rare->mask_begun + budget.time;
  executor_->arm(rare->mask_timer);
}

void Kernel::count_masked_steps(TaskRecord& task, std::uint32_t steps) noexcept {
  TaskExtra& rare = *task.extra.load(std::memory_order_acquire);
  TaskWord word = task.word.load();
  if (!word.masked() || (!rare.own_mask_budget && !word.requested())) return;
  const std::uint64_t used = std::uint64_t{rare.mask_steps_used.fetch_add(steps)} + steps;
  if (used > rare.mask_steps_max.load()) expire_mask(task, word.mask_epoch(), CancelKind::PollQuota);
}

void Kernel::expire_mask(TaskRecord& task, std::uint8_t mask_epoch, CancelKind kind) noexcept {
  TaskStep expired = task.word.apply([&](TaskWord w) { return task_word::expire_mask(w, mask_epoch); });
  if (!expired.made) return;
  TaskExtra& rare = *task.extra.load(std::memory_order_acquire);
  if (rare.own_mask_budget) {
    cancel_task(task, CancelReason::make(kind, "the clean-up budget of the finalizer is spent",
                                         std::source_location::current()));
    bound_finalizer(*task.region);
  } else if (expired.before.requested()) {
    claim(Waiter::of(task.index, task.word.load().epoch()), true);
  }
  expire_fork_masks(task, kind);
  // C11: what waited at the shields of the regions it has opened comes through now.
  std::vector<RegionRef> shielded;
  {
    std::scoped_lock hold(rare.lock);
    for (RegionRecord* region = rare.opened; region != nullptr; region = region->opened_next) {
      shielded.push_back({region, region->word.load().generation()});
    }
  }
  std::optional<CancelReason> reason;
  if (!shielded.empty() && task.word.load().requested()) reason = reason_of(task);
  for (RegionRef region : shielded) lift_shield(region, reason);
}

}  // namespace quiesce::detail
