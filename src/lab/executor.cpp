#include "executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/snapshot.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"
#include "quiesce/detail/kernel/wait.hpp"
#include "quiesce/detail/scope/blocking_call.hpp"

namespace quiesce::lab::detail {

using namespace quiesce::detail;

namespace {

constexpr LogicalId clerk_id{0x636c65726bU};
/// Steps that a given-up run may still need to end what sleeps in it.
constexpr std::size_t drain_steps_max = 1'000'000;

Doing waits_for(const TaskRecord& task) {
  const LeafOps* wait = task.wait_ops.load(std::memory_order_relaxed);
  return {wait != nullptr ? wait->what : "goes on", {}, {}};
}

}  // namespace

LabExecutor::LabExecutor(Engine& engine, std::uint32_t workers, bool draws_cancels, KernelConfig config)
    : engine_(engine), workers_(std::max(workers, 1u)), draws_cancels_(draws_cancels) {
  config.name = "lab";
  config.exact = true;
  kernel_ = &Kernel::acquire(std::move(config), *this);
}

LabExecutor::~LabExecutor() {
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
  engine_.describe_deadlock = [this] { return describe_deadlock(); };
}

// ---- tasks ----

std::uint32_t LabExecutor::worker_for(const TaskRecord& task) {
  if (workers_ == 1 || draining_) return 0;
  if (task.tier == TaskTier::Local) return task.home_worker;
  return engine_.draw(workers_);
}

void LabExecutor::step_until_end(TaskRecord& task) {
  const LogicalId id = task.logical();
  for (;;) {
    agents_.at(id).runnable = false;
    thread_context = ThreadContext{.executor = this, .worker = worker_for(task)};
    const StepEnd end = kernel_->run_step(task);
    thread_context = ThreadContext{};
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
  if (draining_) return runnable_.push_back(&task);
  if (origin == Origin::Yield) return;  // its agent gives way by itself
  const LogicalId id = task.logical();
  const auto [agent, is_new] = agents_.try_emplace(id, Agent{&task, true});
  agent->second.runnable = true;
  if (is_new) {
    engine_.add_agent_as(id, task.path.to_string(), [this, &task] { step_until_end(task); });
  } else {
    engine_.wake(id);
  }
}

void LabExecutor::use(LogicalId object, Use how) noexcept {
  if (draining_) return;
  engine_.touch({object, how == Use::Read     ? Access::Read
                         : how == Use::Update ? Access::Update
                         : how == Use::Enter  ? Access::Enter
                                              : Access::Write});
}

// A handle that is left from an earlier run is nothing to this one.
void LabExecutor::use_handle(LogicalId task) noexcept {
  if (!draining_ && engine_.has_agent(task)) engine_.touch({child(task, ~0U), Access::Write});
}

void LabExecutor::at_cancel_point(TaskRecord& task) noexcept {
  if (draining_ || !draws_cancels_) return;
  const std::uint64_t point = cancel_points_++;
  if (engine_.draw(2) == 0) return;
  kernel_->cancel_task(task, CancelReason::user(fmt::format("injected at cancel point {}", point)));
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

bool LabExecutor::pass_time() {
  if (timers_.empty()) return false;
  clock_ = std::max(clock_, timers_.begin()->deadline);
  set_coarse_now(clock_);
  engine_.time_ns = clock_.nanos();
  while (!timers_.empty() && timers_.begin()->deadline <= clock_) {
    TimerEntry& entry = *timers_.begin()->entry;
    timers_.erase(timers_.begin());
    entry.linked = false;
    entry.fire(entry);
  }
  return true;
}

void LabExecutor::post(WorkItem& item) noexcept {
  posts_.push_back(&item);
  if (!draining_) engine_.wake(clerk_id);
}

void LabExecutor::run_posts() {
  while (!posts_.empty()) {
    WorkItem* item = posts_.front();
    posts_.pop_front();
    item->posted.store(false, std::memory_order_relaxed);
    item->run(*item);
  }
}

// ---- the blocking pool ----

bool LabExecutor::submit_blocking(BlockingJob& job) noexcept {
  if (draining_) return false;
  TaskRecord& task = static_cast<BlockingCallBase&>(job).task;
  jobs_.insert(&job);
  engine_.add_agent_as(task.logical(), task.path.to_string(), [this, &job] {
    if (jobs_.erase(&job) == 0) return;  // withdrawn
    job.run(&job);
    thread_context = ThreadContext{};
  });
  return true;
}

bool LabExecutor::withdraw_blocking(BlockingJob& job) noexcept { return jobs_.erase(&job) > 0; }

// ---- ends ----

std::string LabExecutor::drain() {
  draining_ = true;
  engine_.on_idle = nullptr;
  engine_.describe_deadlock = nullptr;
  for (const auto& [id, agent] : agents_) {
    if (agent.runnable) runnable_.push_back(agent.task);
  }
  for (BlockingJob* job : std::exchange(jobs_, {})) job->run(job);
  for (RegionRef root : kernel_->roots())
    kernel_->cancel_region(root, CancelReason::shutdown("the run was given up"), Whose::Outside);
  for (std::size_t steps = 0; !kernel_->roots().empty(); ++steps) {
    run_posts();
    if (steps > drain_steps_max) return "what is left makes no end of steps";
    if (!runnable_.empty()) {
      TaskRecord& task = *runnable_.front();
      runnable_.pop_front();
      thread_context = ThreadContext{.executor = this, .worker = 0};
      kernel_->run_step(task);
      thread_context = ThreadContext{};
    } else if (posts_.empty() && !pass_time()) {
      return take_snapshot(kernel_->roots(), clock_).text();
    }
  }
  return {};
}

// Of tasks that wait for another's end the cycle is known; of every other wait what it is.
std::string LabExecutor::describe_deadlock() const {
  std::string text;
  for (const RegionSnapshot& region : take_snapshot(kernel_->roots(), clock_).regions) {
    for (const TaskSnapshot& task : region.tasks) {
      if (task.waiting_for.empty()) continue;
      const TaskRecord* record = TaskSlab::find(task.id.index);
      const LeafOps* wait = record->wait_ops.load(std::memory_order_relaxed);
      if (!text.empty()) text += ", ";
      text += fmt::format("{} {} waits for {}", task.role, task.path, task.waiting_for);
      if (wait != nullptr && wait->looks_at != nullptr)
        text += " of " + wait->looks_at(record->wait_data)->path.to_string();
    }
  }
  return text;
}

}  // namespace quiesce::lab::detail
