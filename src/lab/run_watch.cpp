#include "run_watch.hpp"

#include <fmt/format.h>

#include <utility>

#include "coverage.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"
#include "quiesce/detail/kernel/wait.hpp"
#include "quiesce/detail/scope/blocking_call.hpp"
#include "task_waits.hpp"

namespace quiesce::lab::detail {

using namespace quiesce::detail;

namespace {

const char* role_name(TaskRole role) noexcept {
  switch (role) {
    case TaskRole::Child: return "task";
    case TaskRole::Body: return "body";
    case TaskRole::Finalizer: return "finalizer";
    case TaskRole::Fork: return "forked branch";
    case TaskRole::Runner: return "runner of finalizers";
    case TaskRole::Driver: return "driver";
  }
  return "unknown";
}

void note_wait(const TaskRecord& task) {
  Coverage* coverage = Coverage::current();
  if (coverage == nullptr) return;
  const LeafOps* wait = task.waits_for();
  coverage->suspended(wait != nullptr ? wait->what : "yield", role_name(task.role));
}

/// Every so many steps tasks that hold obligations are looked at.
constexpr std::uint64_t holders_interval = 64;

}  // namespace

void RunWatch::use(LogicalId object, Use how) noexcept {
  if (draining) return;
  engine.touch({object, how == Use::Read     ? Access::Read
                        : how == Use::Update ? Access::Update
                        : how == Use::Enter  ? Access::Enter
                                             : Access::Write});
  if (const auto ended = ends_.find(object.value); ended != ends_.end()) {
    if (AgentClock* mine = engine.clock()) mine->acquire(ended->second);
  }
}

LogicalId RunWatch::new_object(const char* kind, const char* name) noexcept {
  if (draining) return {};
  const LogicalId id = engine.new_object(kind);
  if (name != nullptr) engine.set_name(id, name);
  return id;
}

// A handle that is left from an earlier run is nothing to this one.
void RunWatch::use_handle(LogicalId task) noexcept {
  if (!draining && engine.has_agent(task)) engine.touch({child(task, ~0U), Access::Write});
}

void RunWatch::at_cancel_point(Kernel& kernel, TaskRecord& task) noexcept {
  if (draining) return;
  const bool lands = (mode.draws_cancels && engine.draw(2) != 0) || dice.strike(mode.chaos.cancel);
  if (Coverage* coverage = Coverage::current())
    coverage->cancel_point(task.logical(), points_of_[task.logical().value]++, lands);
  const std::uint64_t point = cancel_points_++;
  if (!lands) return;
  const CancelReason reason = CancelReason::user(fmt::format("injected at cancel point {}", point));
  // A body has no request but its region's: nobody has its handle.
  if (task.role == TaskRole::Body)
    return kernel.cancel_region({task.region, task.region->word.load().generation()}, reason, Whose::Outside);
  kernel.cancel_task(task, reason);
}

bool RunWatch::refuses(Refusal what) const noexcept {
  if (draining || engine.is_aborting()) return false;
  return dice.strike(what == Refusal::Allocation ? mode.chaos.refused_allocation : mode.chaos.refused_spawn);
}

std::exception_ptr RunWatch::panics(TaskRecord& task) const noexcept {
  if (draining || engine.is_aborting() || task.role == TaskRole::Runner || !dice.strike(mode.chaos.panic))
    return nullptr;
  return std::make_exception_ptr(ChaosPanic(
      fmt::format("injected panic in task {} at step {}", task.path.to_string(), engine.step_number())));
}

void RunWatch::happened(Kernel& kernel, const KernelEvent& event) noexcept {
  if (draining || engine.is_aborting()) return;
  const std::uint64_t step = engine.step_number();
  if (engine.keeps_trace()) trace_.see(event, {step, clock.nanos(), engine.self(), thread_context.worker});
  check(oracles_.see(event, step));
  if (event.kind == KernelEventKind::TaskEnded) {
    if (AgentClock* mine = engine.clock()) mine->release_to(ends_[event.task->logical().value]);
  }
  if (event.kind == KernelEventKind::StepBegun && event.task->role != TaskRole::Runner &&
      dice.strike(mode.chaos.spent_budget)) {
    RegionRecord& region = *event.task->region;
    kernel.cancel_region({&region, region.word.load().generation()},
                         CancelReason::poll_quota("injected: the poll quota of the region is spent"),
                         Whose::Outside);
  }
  if (event.kind == KernelEventKind::StepEnded) note_wait(*event.task);
  if (event.kind != KernelEventKind::StepEnded || step % holders_interval != 0) return;
  if (std::string held = oracles_.see_holders(step); !held.empty())
    engine.fail_noexcept(FailureKind::oracle, std::move(held));
}

void RunWatch::scheduled(const TaskRecord& task) noexcept {
  if (!draining && !engine.is_aborting()) check(oracles_.see_scheduled(task));
}

bool RunWatch::idle() noexcept {
  if (draining) return true;
  check(oracles_.see_idle(clock));
  return !engine.is_ruined();
}

void RunWatch::move_clock(Time to) noexcept {
  clock = to;
  engine.time_ns = to.nanos();
}

void RunWatch::check(std::string broken) noexcept {
  if (!broken.empty()) [[unlikely]]
    engine.fail_for_good(FailureKind::oracle, std::move(broken));
}

bool RunWatch::submit_blocking(BlockingJob& job) noexcept {
  if (draining) return false;
  TaskRecord& task = static_cast<BlockingCallBase&>(job).task;
  jobs_.insert(&job);
  engine.add_agent_as(task.logical(), task.path.to_string(), [this, &job] {
    if (jobs_.erase(&job) == 0) return;  // withdrawn
    job.run(&job);
    thread_context = ThreadContext{};
  });
  return true;
}

void RunWatch::run_jobs() noexcept {
  for (BlockingJob* job : std::exchange(jobs_, {})) job->run(job);
}

std::string RunWatch::describe_deadlock(Kernel& kernel) const { return describe_waits(kernel, engine); }

}  // namespace quiesce::lab::detail
