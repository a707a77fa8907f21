#include "workers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "quiesce/detail/kernel/snapshot.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce::lab::detail {

using namespace quiesce::detail;

namespace {

/// Sets the workers' ids apart from those of tasks.
constexpr LogicalId workers_id{0x776F726B65727300U};
LogicalId id_of(const Worker& worker) { return child(workers_id, worker.index()); }

/// A worker is stuck when it is where it was at the last look: two of them, and one to take what it finds.
constexpr std::uint32_t looks_max = 3;

}  // namespace

// ---- H2 ----

void StreakOracle::scheduled(const TaskRecord& task, Lane lane, std::uint32_t worker) {
  std::uint32_t& place = queued_[task.logical().value];
  place = lane == Lane::Cancel ? cancelled
          : task.tier == TaskTier::Local
              ? task.home_worker
              : (lane == Lane::Timed || worker == Executor::no_worker ? anybody : worker);
  if (place == anybody) {
    ++waiting_for_anybody_;
  } else if (place != cancelled) {
    ++waiting_[place];
  }
}

std::string StreakOracle::begun(const TaskRecord& task, std::uint32_t worker, std::uint32_t limit) {
  const auto found = queued_.find(task.logical().value);
  if (found == queued_.end()) return {};
  const std::uint32_t place = found->second;
  queued_.erase(found);
  if (place != cancelled) {
    --(place == anybody ? waiting_for_anybody_ : waiting_[place]);
    streak_[worker] = 0;
    return {};
  }
  const std::uint32_t others = waiting_for_anybody_ + waiting_[worker];
  streak_[worker] = others > 0 ? streak_[worker] + 1 : 0;
  if (streak_[worker] <= limit) return {};
  return fmt::format("worker {} took {} cancelled tasks in a row while {} others waited; the limit is {} (H2)",
                     worker, streak_[worker], others, limit);
}

// ---- the executor ----

WorkersExecutor::WorkersExecutor(Engine& engine, const RunMode& mode, KernelConfig config)
    : ProductionExecutor({.workers = std::max(mode.workers, 1u), .name = "lab"}),
      watch_(engine, mode),
      engine_(engine),
      streaks_(worker_count()),
      sleepers_(worker_count()) {
  config.name = "lab";
  config.exact = true;
  kernel_ = &Kernel::acquire(std::move(config), *this);
  attach(*kernel_);
  engine_.chaos = &watch_.mode.chaos;
  quiesce::detail::exact_executor = this;
  quiesce::detail::exact_runs.store(true, std::memory_order_relaxed);
}

WorkersExecutor::~WorkersExecutor() {
  if (quiesce::detail::exact_executor == this) quiesce::detail::exact_executor = nullptr;
  if (kernel_->roots().empty()) kernel_->recycle();  // else what waits for ever may still look at it
}

void WorkersExecutor::begin() {
  for (std::uint32_t i = 0; i < worker_count(); ++i) {
    Worker& mine = worker(i);
    watch_joins(mine);
    engine_.add_agent_as(id_of(mine), fmt::format("worker {}", i), [this, &mine] { work(mine); });
  }
  engine_.on_idle = [this] { return pass_time(); };
  engine_.describe_deadlock = [this] { return watch_.describe_deadlock(*kernel_); };
}

void WorkersExecutor::work(Worker& worker) {
  worker.enter();
  while (!engine_.is_aborting()) {
    (void)worker.turn();
    engine_.visible({workers_id, Access::Write}, {"look for work", {}, {}});
  }
}

void WorkersExecutor::schedule(TaskRecord& task, Lane lane, quiesce::detail::Origin origin) noexcept {
  if (!watch_.draining) {
    watch_.scheduled(task);
    if (origin != quiesce::detail::Origin::Yield && watch_.dice.strike(watch_.mode.chaos.delay)) {
      held_.push_back({watch_.clock + watch_.dice.part_of(watch_.mode.chaos.delay_max), &task, lane, origin});
      return;
    }
    if (task.role != TaskRole::Runner) streaks_.scheduled(task, lane, current_worker());
  }
  ProductionExecutor::schedule(task, lane, origin);
}

void WorkersExecutor::joins(TaskRecord&, const ForkEntry&) noexcept {
  if (!watch_.draining) engine_.visible_noexcept({workers_id, Access::Write}, {"join a branch", {}, {}});
}

void WorkersExecutor::happened(const KernelEvent& event) noexcept {
  watch_.happened(*kernel_, event);
  if (watch_.draining || engine_.is_aborting()) return;
  if (event.kind == KernelEventKind::StepEnded && watch_.dice.strike(watch_.mode.chaos.clock_jump)) {
    watch_.move_clock(watch_.clock + watch_.dice.part_of(watch_.mode.chaos.jump_max));
    release_due();
  }
  if (event.kind != KernelEventKind::StepBegun) return;
  engine_.describe_step({"step", event.task->logical(), {}});
  if (engine_.keeps_trace()) engine_.set_name(event.task->logical(), event.task->path.to_string());
  watch_.check(streaks_.begun(*event.task, thread_context.worker, config().cancel_streak_limit));
}

std::string WorkersExecutor::broken_bound() const {
  for (std::uint32_t i = 0; i < worker_count(); ++i) {
    const std::uint64_t longest = counters(i).preferred_streak_max.load(std::memory_order_relaxed);
    if (longest > config().cancel_streak_limit)
      return fmt::format(
          "worker {} took {} timed tasks or tasks it had just woken in a row while its ready "
          "queue waited; the limit is {} (H2)",
          i, longest, config().cancel_streak_limit);
  }
  return {};
}

// ---- sleep and time ----

void WorkersExecutor::sleep(Worker& worker, std::optional<Time> until, bool watch) {
  if (watch_.draining || engine_.is_aborting()) return;
  Sleeper& sleeper = sleepers_[worker.index()];
  sleeper = {true, watch, until};
  try {
    engine_.sleep({"park", {}, {}}, true);
  } catch (
      const RunAborted&) {  // the worker comes out of its sleep as it would by a wake, and its agent ends then
  }
  sleeper = {};
}

void WorkersExecutor::wake(Worker& worker) noexcept {
  if (!watch_.draining) engine_.wake(id_of(worker));
}

std::uint64_t WorkersExecutor::dispatched() const {
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < worker_count(); ++i)
    sum += counters(i).dispatched.load(std::memory_order_relaxed);
  return sum;
}

std::optional<Time> WorkersExecutor::next_deadline() const {
  std::optional<Time> next;
  for (const Sleeper& sleeper : sleepers_) {
    if (sleeper.until) next = next ? std::min(*next, *sleeper.until) : *sleeper.until;
  }
  for (const Held& held : held_) next = next ? std::min(*next, held.until) : held.until;
  return next;
}

bool WorkersExecutor::look_up() {
  if (const std::uint64_t now = dispatched(); now != std::exchange(looked_at_, now)) looks_ = 0;
  if (looks_ == looks_max) return false;
  ++looks_;
  bool any = false;
  for (std::uint32_t i = 0; i < worker_count(); ++i) {
    if (!sleepers_[i].asleep || !sleepers_[i].watches) continue;
    engine_.wake(id_of(worker(i)));
    any = true;
  }
  return any;
}

bool WorkersExecutor::pass_time() {
  const bool somebody_is_blocked =
      std::ranges::any_of(sleepers_, [](const Sleeper& sleeper) { return !sleeper.asleep; });
  if (somebody_is_blocked && look_up()) return true;
  const std::optional<Time> next = next_deadline();
  if ((!next || *next > watch_.clock) && !watch_.idle()) return false;
  if (!next) return false;
  watch_.move_clock(std::max(watch_.clock, *next));
  release_due();
  return true;
}

/// Workers that have slept long enough, and tasks that have been kept back.
void WorkersExecutor::release_due() {
  for (std::uint32_t i = 0; i < worker_count(); ++i) {
    if (sleepers_[i].until && *sleepers_[i].until <= watch_.clock) engine_.wake(id_of(worker(i)));
  }
  std::vector<Held> released;
  for (const Held& held : held_) {
    if (held.until <= watch_.clock) released.push_back(held);
  }
  std::erase_if(held_, [&](const Held& held) { return held.until <= watch_.clock; });
  for (const Held& held : released) {
    if (held.task->role != TaskRole::Runner) streaks_.scheduled(*held.task, held.lane, current_worker());
    ProductionExecutor::schedule(*held.task, held.lane, held.origin);
  }
}

// ---- the end of a run that was given up ----

std::string WorkersExecutor::drain() {
  watch_.draining = true;
  engine_.on_idle = nullptr;
  engine_.describe_deadlock = nullptr;
  for (const Held& held : std::exchange(held_, {}))
    ProductionExecutor::schedule(*held.task, held.lane, held.origin);
  watch_.run_jobs();
  for (RegionRef root : kernel_->roots())
    kernel_->cancel_region(root, CancelReason::shutdown("the run was given up"), Whose::Outside);
  for (std::size_t rounds = 0; !kernel_->roots().empty(); ++rounds) {
    if (rounds > drain_steps_max) return "what is left makes no end of steps";
    const std::uint64_t before = dispatched();
    std::optional<Time> next;
    for (std::uint32_t i = 0; i < worker_count(); ++i) {
      worker(i).enter();
      (void)worker(i).turn();
      thread_context = {};
      if (const auto due = worker(i).next_timer()) next = next ? std::min(*next, *due) : *due;
    }
    if (dispatched() != before) continue;
    if (!next) return take_snapshot(kernel_->roots(), watch_.clock).dump();
    watch_.clock = std::max(watch_.clock, *next);
  }
  return {};
}

}  // namespace quiesce::lab::detail
