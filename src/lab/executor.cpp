#include "executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/fork.hpp"
#include "quiesce/detail/kernel/snapshot.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"
#include "quiesce/detail/kernel/wait.hpp"
#include "quiesce/detail/scope/blocking_call.hpp"

namespace quiesce::lab::detail {

using namespace quiesce::detail;

namespace {

/// Kept by whoever may still look into it.
struct OfferedLane : ForkLane, std::enable_shared_from_this<OfferedLane> {};

constexpr LogicalId clerk_id{0x636c65726bU};
Doing waits_for(const TaskRecord& task) {
  const LeafOps* wait = task.waits_for();
  return {wait != nullptr ? wait->what : "goes on", {}, {}};
}

}  // namespace

LabExecutor::LabExecutor(Engine& engine, const RunMode& mode, KernelConfig config)
    : watch_(engine, mode), engine_(engine) {
  config.name = "lab";
  config.exact = true;
  kernel_ = &Kernel::acquire(std::move(config), *this);
  engine_.chaos = &watch_.mode.chaos;
  quiesce::detail::exact_executor = this;
  quiesce::detail::exact_runs.store(true, std::memory_order_relaxed);
}

LabExecutor::~LabExecutor() {
  if (quiesce::detail::exact_executor == this) quiesce::detail::exact_executor = nullptr;
  if (kernel_->roots().empty()) kernel_->recycle();  // else what waits for ever may still look at it
}

void LabExecutor::begin() {
  engine_.add_agent_as(clerk_id, "clerk", [this] {
    for (;;) {
      run_posts();
      engine_.sleep({"sleep", clerk_id, {}}, true);
    }
  });
  engine_.on_idle = [this] { return pass_time(); };
  engine_.describe_deadlock = [this] { return watch_.describe_deadlock(*kernel_); };
}

// ---- tasks ----

std::uint32_t LabExecutor::worker_for(const TaskRecord& task) {
  if (watch_.mode.workers <= 1 || watch_.draining) return 0;
  if (task.tier == TaskTier::Local) return task.home_worker;
  return engine_.draw(watch_.mode.workers);
}

void LabExecutor::step_until_end(TaskRecord& task) {
  const LogicalId id = task.logical();
  const auto forks =
      std::make_shared<OfferedLane>();  // each task's own: others may move in the middle of a step
  forks->set_limit(ForkShelf<>::places);
  forks->is_watched = true;
  for (;;) {
    agents_.at(id).runnable = false;
    thread_context = ThreadContext{.executor = this, .worker = worker_for(task), .forks = forks.get()};
    const StepEnd end = kernel_->run_step(task);
    thread_context = ThreadContext{};
    if (!engine_.is_aborting() && watch_.dice.strike(watch_.mode.chaos.clock_jump)) {
      watch_.move_clock(watch_.clock + watch_.dice.part_of(watch_.mode.chaos.jump_max));
      fire_due();
    }
    if (end == StepEnd::Done) break;
    if (end == StepEnd::Suspended) {
      engine_.sleep(waits_for(task));
    } else {
      agents_.at(id).runnable = true;
      engine_.visible({id, Access::Write}, {"yield", id, {}});
    }
  }
  agents_.erase(id);
}

void LabExecutor::schedule(TaskRecord& task, Lane, Origin origin) noexcept {
  if (watch_.draining) return runnable_.push_back(&task);
  watch_.scheduled(task);
  if (origin == Origin::Yield) return;  // its agent gives way by itself
  const LogicalId id = task.logical();
  agents_.try_emplace(id, Agent{&task, true, false}).first->second.runnable = true;
  if (watch_.dice.strike(watch_.mode.chaos.delay)) {
    held_.insert({watch_.clock + watch_.dice.part_of(watch_.mode.chaos.delay_max), timer_sequence_++, &task});
  } else {
    release(task);
  }
}

/// Who takes the branch when its turn comes before the join's: the agent of the task that it is then.
void LabExecutor::offered(ForkLane& lane, ForkEntry& entry) noexcept {
  if (watch_.draining || engine_.is_aborting()) return;
  const LogicalPath path = entry.join->task->path.child(entry.ordinal);
  auto take = [this, from = static_cast<OfferedLane&>(lane).shared_from_this(), join = entry.join,
               ordinal = entry.ordinal, id = path.id()] {
    engine_.touch({id, Access::Write});
    ForkEntry* taken = from->steal(*join, ordinal);
    TaskRecord* task = taken == nullptr ? nullptr : kernel_->begin_fork(*taken);
    if (task == nullptr) return;
    agents_.emplace(id, Agent{task, true, true});
    step_until_end(*task);
  };
  engine_.add_agent_as(path.id(), path.to_string(), std::move(take));
}

void LabExecutor::joins(TaskRecord& task, const ForkEntry& entry) noexcept {
  if (watch_.draining) return;
  const LogicalId id = task.path.child(entry.ordinal).id();
  engine_.visible_noexcept({id, Access::Write}, {"join a branch", id, {}});
}

void LabExecutor::release(TaskRecord& task) {
  const LogicalId id = task.logical();
  if (std::exchange(agents_.at(id).is_made, true)) return engine_.wake(id);
  engine_.add_agent_as(id, task.path.to_string(), [this, &task] { step_until_end(task); });
}

// ---- time ----

void LabExecutor::arm(TimerEntry& entry) noexcept {
  QUIESCE_ASSERT(!entry.linked, "a timer is armed once at a time");
  entry.linked = true;
  entry.sequence = timer_sequence_++;
  timers_.insert({entry.deadline, entry.sequence, &entry});
}

bool LabExecutor::disarm(TimerEntry& entry) noexcept {
  if (!entry.linked) return false;
  entry.linked = false;
  timers_.erase({entry.deadline, entry.sequence, &entry});
  return true;
}

std::optional<Time> LabExecutor::next_due() const {
  std::optional<Time> next;
  if (!timers_.empty()) next = timers_.begin()->deadline;
  if (!held_.empty()) next = next ? std::min(*next, held_.begin()->until) : held_.begin()->until;
  return next;
}

bool LabExecutor::pass_time() {
  const std::optional<Time> next = next_due();
  if ((!next || *next > watch_.clock) && !watch_.idle()) return false;
  if (!next) return false;
  watch_.move_clock(std::max(watch_.clock, *next));
  fire_due();
  return true;
}

void LabExecutor::fire_due() {
  set_coarse_now(watch_.clock);
  while (!timers_.empty() && timers_.begin()->deadline <= watch_.clock) {
    TimerEntry& entry = *timers_.begin()->entry;
    timers_.erase(timers_.begin());
    entry.linked = false;
    entry.fire(entry);
  }
  while (!held_.empty() && held_.begin()->until <= watch_.clock) {
    TaskRecord& task = *held_.begin()->task;
    held_.erase(held_.begin());
    release(task);
  }
}

void LabExecutor::post(WorkItem& item) noexcept {
  posts_.push_back(&item);
  if (!watch_.draining) engine_.wake(clerk_id);
}

void LabExecutor::run_posts() {
  while (!posts_.empty()) {
    WorkItem* item = posts_.front();
    posts_.pop_front();
    item->posted.clear();
    item->run(*item);
  }
}

// ---- ends ----

std::string LabExecutor::drain() {
  watch_.draining = true;
  held_.clear();
  engine_.on_idle = nullptr;
  engine_.describe_deadlock = nullptr;
  for (const auto& [id, agent] : agents_) {
    if (agent.runnable) runnable_.push_back(agent.task);
  }
  watch_.run_jobs();
  for (RegionRef root : kernel_->roots())
    kernel_->cancel_region(root, CancelReason::shutdown("the run was given up"), Whose::Outside);
  for (std::size_t steps = 0; !kernel_->roots().empty(); ++steps) {
    run_posts();
    if (steps > drain_steps_max) return "what is left makes no end of steps";
    if (!runnable_.empty()) {
      TaskRecord& task = *runnable_.front();
      runnable_.pop_front();
      ForkLane forks;
      thread_context = ThreadContext{.executor = this, .worker = 0, .forks = &forks};
      kernel_->run_step(task);
      thread_context = ThreadContext{};
    } else if (posts_.empty() && !pass_time()) {
      return take_snapshot(kernel_->roots(), watch_.clock).dump();
    }
  }
  return {};
}

}  // namespace quiesce::lab::detail
