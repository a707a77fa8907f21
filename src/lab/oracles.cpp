#include "oracles.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "quiesce/detail/kernel/snapshot.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"
#include "quiesce/detail/kernel/wait.hpp"

namespace quiesce::lab::detail {

using namespace quiesce::detail;

namespace {

std::string name_of(const TaskRecord& task) { return "task " + task.path.to_string(); }
std::string name_of(const RegionRecord& region) { return "region " + region.path.to_string(); }

/// C2, as far as two ranks tell.
std::uint32_t gravity_of(const CancelReason& reason) {
  return 256u * static_cast<std::uint32_t>(rank(reason.kind())) +
         static_cast<std::uint32_t>(rank(reason.root_kind()));
}

}  // namespace

std::string Oracles::see(const KernelEvent& event, std::uint64_t step) {
  switch (event.kind) {
    case KernelEventKind::RegionOpened: return see_opened(event);
    case KernelEventKind::RegionRequested: return see_requested(event);
    case KernelEventKind::ShieldLifted:
      if (Region* region = find(*event.region)) region->shielded = false;
      return {};
    case KernelEventKind::RequestDelivered: return see_delivered(event);
    case KernelEventKind::RegionFinalizing: return see_quiescence(*event.region, "began to finalise");
    case KernelEventKind::RegionClosed: return see_closed(*event.region);
    case KernelEventKind::TaskPublished: return see_published(event, step);
    case KernelEventKind::TaskRequested: {
      const auto task = tasks_.find(event.task->logical().value);
      if (task == tasks_.end() || task->second.requested) return {};
      task->second.requested = true;
      // A finalizer is not among those that its region counts.
      Region* region = find(*event.task->region);
      if (region != nullptr && event.task->role != TaskRole::Finalizer) --region->unrequested;
      return see_phase(*event.task, task->second);
    }
    case KernelEventKind::TaskClaimed:
      if (const auto task = tasks_.find(event.task->logical().value); task != tasks_.end()) {
        wakes_owed_ += task->second.owes_wake ? 0 : 1;
        task->second.owes_wake = true;
      }
      return {};
    case KernelEventKind::StepBegun: return see_step(*event.task, step);
    case KernelEventKind::StepEnded: return {};
    case KernelEventKind::TaskEnded: return see_ended(event);
    case KernelEventKind::BranchesLeft: return see_branch_left(*event.task);
    case KernelEventKind::FinalizerAdded:
      if (Region* region = find(*event.region)) region->finalizers.push_back(event.value);
      return {};
    case KernelEventKind::FinalizerBegun: return see_finalizer(event);
    case KernelEventKind::ObligationReserved:
    case KernelEventKind::ObligationSettled:
    case KernelEventKind::ObligationLeaked: see_obligation(event); return {};
  }
  return {};
}

Oracles::Region* Oracles::find(const RegionRecord& record) {
  const auto found = regions_.find(record.logical.value);
  return found == regions_.end() ? nullptr : &found->second;
}
const Oracles::Region* Oracles::find(const RegionRecord& record) const {
  const auto found = regions_.find(record.logical.value);
  return found == regions_.end() ? nullptr : &found->second;
}

// ---- regions ----

std::string Oracles::see_opened(const KernelEvent& event) {
  const RegionRecord& record = *event.region;
  // A request it was born with has been told of before.
  Region& region = regions_[record.logical.value];
  region.record = &record;
  region.shielded = event.value != 0;
  if (event.task != nullptr) region.opener = event.task->logical();
  if (record.budget.deadline) region.deadline = *record.budget.deadline;
  if (record.parent == nullptr) return {};
  region.parent = record.parent->logical;
  Region* parent = find(*record.parent);
  if (parent == nullptr)
    return fmt::format("{} was opened below {}, which has closed (R1)", name_of(record),
                       name_of(*record.parent));
  ++parent->children;
  if (parent->requested && !region.requested && !region.shielded)
    return fmt::format("{} was opened below {}, which has been cancelled, and does not know of it (C4)",
                       name_of(record), name_of(*record.parent));
  return {};
}

std::string Oracles::see_requested(const KernelEvent& event) {
  Region& region = regions_[event.region->logical.value];
  region.record = event.region;
  const std::uint32_t gravity = gravity_of(*event.reason);
  if (region.requested && gravity < region.gravity)
    return fmt::format("the reason for which {} is cancelled got weaker: it is {} now (C2)",
                       name_of(*event.region), to_string(event.reason->kind()));
  region.requested = true;
  region.gravity = gravity;
  return {};
}

bool Oracles::is_below(const Region& region, LogicalId top, LogicalId opener) const {
  for (const Region* at = &region;;) {
    if (at->shielded) return false;
    if (at->record->logical == top || (opener != LogicalId{} && at->opener == opener)) return true;
    const auto up = regions_.find(at->parent.value);
    if (up == regions_.end()) return false;
    at = &up->second;
  }
}

std::string Oracles::see_delivered(const KernelEvent& event) const {
  const LogicalId top = event.region != nullptr ? event.region->logical : LogicalId{};
  const LogicalId opener = event.task != nullptr ? event.task->logical() : LogicalId{};
  const std::string canceller = event.region != nullptr ? name_of(*event.region) : name_of(*event.task);
  for (const auto& [id, region] : regions_) {
    if ((region.requested && region.unrequested == 0) || !is_below(region, top, opener)) continue;
    if (!region.requested)
      return fmt::format("{} was cancelled, and the request did not reach {} below it (C4)", canceller,
                         name_of(*region.record));
    return fmt::format("{} was cancelled, and the request did not reach {} of the {} tasks of {} (C4)",
                       canceller, region.unrequested, region.tasks, name_of(*region.record));
  }
  return {};
}

std::string Oracles::see_quiescence(const RegionRecord& record, const char* what) const {
  const Region* region = find(record);
  if (region == nullptr) return fmt::format("{} {} and had closed before (R2)", name_of(record), what);
  if (region->children > 0)
    return fmt::format("{} {} while {} of its child regions had not closed (R4)", name_of(record), what,
                       region->children);
  if (region->tasks > 0)
    return fmt::format("{} {} while {} of its tasks had not ended (R4)", name_of(record), what, region->tasks);
  return {};
}

std::string Oracles::see_closed(const RegionRecord& record) {
  if (std::string broken = see_quiescence(record, "closed"); !broken.empty()) return broken;
  const Region& region = *find(record);
  if (!region.finalizers.empty())
    return fmt::format("{} closed and {} of its finalizers had not run (F1)", name_of(record),
                       region.finalizers.size());
  if (region.obligations > 0)
    return fmt::format("{} closed and {} of its obligations were still reserved (L3)", name_of(record),
                       region.obligations);
  if (record.parent != nullptr) {
    if (Region* parent = find(*record.parent)) --parent->children;
  }
  regions_.erase(record.logical.value);
  return {};
}

std::string Oracles::see_finalizer(const KernelEvent& event) {
  Region* region = find(*event.region);
  if (region == nullptr) return "a finalizer of a region that has closed began (F1)";
  if (std::ranges::find(region->begun, event.value) != region->begun.end())
    return fmt::format("a finalizer of {} began twice (F1)", name_of(*event.region));
  if (region->finalizers.empty() || region->finalizers.back() != event.value)
    return fmt::format("the finalizers of {} do not run newest first, each once (F1)", name_of(*event.region));
  region->finalizers.pop_back();
  region->begun.push_back(event.value);
  if (region->tasks > (event.region->finalizing != nullptr ? 1u : 0u))
    return fmt::format("a finalizer of {} began while {} of its tasks had not ended (F1)",
                       name_of(*event.region), region->tasks);
  return {};
}

// ---- tasks ----

std::string Oracles::see_published(const KernelEvent& event, std::uint64_t step) {
  const TaskRecord& record = *event.task;
  Region* region = find(*event.region);
  if (region == nullptr) return fmt::format("{} was spawned in a region that has closed (R1)", name_of(record));
  Task& task = tasks_[record.logical().value];
  task = {.record = &record, .region = event.region->logical, .stepped = step};
  task.requested = record.word.load().requested();
  // A finalizer is a step of the phase that runs it.
  if (record.role != TaskRole::Finalizer) {
    ++region->tasks;
    if (!task.requested) ++region->unrequested;
  }
  if (region->requested && !task.requested)
    return fmt::format("{} was spawned in {}, which has been cancelled, and does not know of it (C4)",
                       name_of(record), name_of(*event.region));
  return see_phase(record, task);
}

std::string Oracles::see_phase(const TaskRecord& record, Task& task) {
  const TaskPhase phase = record.phase();
  if (phase < task.phase)
    return fmt::format("the phase of {} went back from {} to {} (C3)", name_of(record), to_string(task.phase),
                       to_string(phase));
  task.phase = phase;
  return {};
}

std::string Oracles::see_step(const TaskRecord& record, std::uint64_t step) {
  if (record.role == TaskRole::Runner || record.role == TaskRole::Driver) return {};
  const auto found = tasks_.find(record.logical().value);
  if (found == tasks_.end()) return fmt::format("{} made a step after its end (C3)", name_of(record));
  Task& task = found->second;
  task.stepped = step;
  task.queued = false;
  if (record.tier == TaskTier::Local && thread_context.worker != record.home_worker)
    return fmt::format("{} is local to worker {} and was stepped on worker {} (S4)", name_of(record),
                       record.home_worker, thread_context.worker);
  if (!regions_.contains(task.region.value))
    return fmt::format("{} outlives its region, which has closed (R1)", name_of(record));
  return see_phase(record, task);
}

std::string Oracles::see_ended(const KernelEvent& event) {
  const TaskRecord& record = *event.task;
  if (record.role == TaskRole::Runner) return {};
  const auto found = tasks_.find(record.logical().value);
  if (found == tasks_.end()) return fmt::format("{} ended twice (C3)", name_of(record));
  Task& task = found->second;
  std::string broken = see_phase(record, task);
  if (broken.empty() && task.phase != TaskPhase::Finalizing)
    broken = fmt::format("{} completed out of the phase {}, without having been Finalizing (C3)",
                         name_of(record), to_string(task.phase));
  if (broken.empty() && record.word.load().requested() != task.requested)
    broken = fmt::format("{} has a request that nobody made (C3)", name_of(record));
  if (Region* region = find(*event.region); region != nullptr && record.role != TaskRole::Finalizer) {
    --region->tasks;
    if (!task.requested) --region->unrequested;
  }
  wakes_owed_ -= task.owes_wake ? 1 : 0;
  tasks_.erase(found);
  return broken;
}

std::string Oracles::see_branch_left(const TaskRecord& record) const {
  if (!tasks_.contains(record.logical().value)) return {};
  return fmt::format("a combinator returned before its branch {} had ended (C9)", name_of(record));
}

void Oracles::see_obligation(const KernelEvent& event) {
  const bool reserved = event.kind == KernelEventKind::ObligationReserved;
  if (event.kind == KernelEventKind::ObligationLeaked && first_leak_.empty())
    first_leak_ = fmt::format("in {}, {} (L2)", name_of(*event.region), event.text);
  if (Region* region = find(*event.region)) region->obligations += reserved ? 1u : ~0u;
  LogicalId holder = event.task != nullptr ? event.task->logical() : LogicalId{};
  if (reserved) {
    holders_[event.value] = holder;
  } else if (const auto known = holders_.find(event.value); known != holders_.end()) {
    holder = known->second;
    holders_.erase(known);
  }
  if (const auto task = tasks_.find(holder.value); task != tasks_.end())
    task->second.obligations += reserved ? 1u : ~0u;
}

std::string Oracles::see_scheduled(const TaskRecord& record) {
  const auto found = tasks_.find(record.logical().value);
  if (found == tasks_.end()) return {};  // the finalizer phase
  Task& task = found->second;
  wakes_owed_ -= task.owes_wake ? 1 : 0;
  task.owes_wake = false;
  if (std::exchange(task.queued, true))
    return fmt::format("{} was queued a second time before its next step (H3)", name_of(record));
  return {};
}

// ---- now and then ----

std::string Oracles::see_idle(Time now) {
  if (wakes_owed_ > 0) {
    for (const auto& [id, task] : tasks_) {
      if (task.owes_wake)
        return fmt::format("a wake-up was lost: the wait of {} has been ended, and it was not scheduled (C5)",
                           name_of(*task.record));
    }
  }
  for (const auto& [id, task] : tasks_) {
    const LeafOps* wait = task.record->waits_for();
    if (wait == nullptr || wait->looks_at == nullptr) continue;
    const TaskRecord* ending = wait->looks_at(task.record->wait.data);
    if (ending->word.load().done())
      return fmt::format("a wake-up was lost: {} waits for the end of a task that has ended (C5)",
                         name_of(*task.record));
  }
  for (const auto& [id, region] : regions_) {
    if (region.deadline <= now && !region.requested && is_below(region, region.record->logical, {}))
      return fmt::format("{} is past its deadline of {} ns, and has not been cancelled (B4)",
                         name_of(*region.record), region.deadline.nanos());
  }
  return {};
}

std::string Oracles::see_holders(std::uint64_t step) const {
  if (futurelock_steps_ == 0) return {};
  for (const auto& [name, holder] : holders_) {
    const auto found = tasks_.find(holder.value);
    if (found == tasks_.end() || step - found->second.stepped <= futurelock_steps_) continue;
    const Task& task = found->second;
    const LeafOps* wait = task.record->waits_for();
    const bool sleeps = task.record->word.load().run() == RunState::Idle;
    if (wait == nullptr || !sleeps) continue;  // it can move: the strategy's doing
    return fmt::format(
        "futurelock: {} holds {} obligation{} and has not been stepped for {} steps of others; it waits for "
        "{}: "
        "settle what is held before a wait that may be long",
        name_of(*task.record), task.obligations, task.obligations == 1 ? "" : "s", step - task.stepped,
        wait->what);
  }
  return {};
}

}  // namespace quiesce::lab::detail
