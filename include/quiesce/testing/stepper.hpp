#pragma once
// testing::Stepper: the kernel, driven by hand. One thread, a virtual clock that starts at 0, and nothing runs
// by itself.
//
// It is for tests of what happens between two steps: spawn, step one task, look at it, cancel, step the next
// one. Regions, tasks, budgets, cancellation and clean-up are those of production; only the scheduler is
// replaced, by the caller.
//   q::testing::Stepper s;
//   q::RegionId root = s.create_root_region(q::Budget::infinite());
//   q::Scope<> scope = s.scope(root);
//   q::Cx cx = s.cx(root);                      // the test's own context: a driver outside the region
//   auto h = scope.spawn(cx, [](q::Cx, int x) -> q::Task<int> { co_return x + 1; }, 41).value();
//   s.step(h.task_id());                        // StepResult::done
//   q::Outcome<int> o = s.run(h.join(cx));
//
// Root regions: one holds a live count of its own, so that it does not close while it is empty; `begin_close`
// and `cancel` drop it. Its policy is that of the scope through which the failing task was spawned.
// Drivers: `cx(root)` is the context of a driver, which counts as the root's for R11 and is in no list, count
// or limit; no request, policy or quota of the region reaches it. Code outside any step may check, mask, charge
// and draw through it; it may spawn with it, but not spawn_local (LocalSchedulerUnavailable: there is no worker
// outside a step). When its root has closed it still joins handles, and everything that needs the region is
// refused with RegionNotFound.
// Order: `run_until_idle` and `run` step posted kernel work first, then the lanes: cancel, timed (earliest
// deadline, ties by logical id), ready (first in, first out; a blocking job counts as one ready step). Budgets
// are counted step by step.
// Errors: misuse throws std::logic_error that names the ids; a run that can never end throws std::runtime_error
// that names what everybody waits for. With panic isolation switched off (P4) a step rethrows what escaped.
// Ending: the destructor cancels what is left (Shutdown) and drives it to its end, advancing the clock. What
// cannot end – a foreign awaitable that nobody resumes – aborts the process with the tree printed: a frame is
// never leaked or torn down.
// Thread-safety: none. One thread makes it, drives it and destroys it; what it drives must not be woken by
// another thread.
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quiesce/budget.hpp"
#include "quiesce/cancel.hpp"
#include "quiesce/capabilities.hpp"
#include "quiesce/cx.hpp"
#include "quiesce/detail/kernel/snapshot.hpp"
#include "quiesce/handle.hpp"
#include "quiesce/ids.hpp"
#include "quiesce/limits.hpp"
#include "quiesce/panic_isolation.hpp"
#include "quiesce/policy.hpp"
#include "quiesce/scope.hpp"
#include "quiesce/task.hpp"
#include "quiesce/time.hpp"

namespace quiesce {

class LogSink;
class MetricsProvider;

namespace testing {

struct StepperOptions {
  std::uint64_t seed = 0;  // of random_u64 and of ties in races
  PanicIsolationConfig panics = {};
  Capabilities capabilities = {};  // of `cx(root)`
  std::shared_ptr<MetricsProvider> metrics = {};
  std::shared_ptr<LogSink> log = {};
  std::uint32_t poll_budget = 128;             // awaits in one step before a task gives way (H4)
  std::optional<CleanupBudget> cleanup = {};   // of root regions and below; else the defaults by rank
  std::optional<Duration> close_warning = {};  // a close that takes longer is logged
  std::size_t step_limit = 1'000'000;          // of one run or run_until_idle
};

enum class StepResult : std::uint8_t { pending, done };
const char* to_string(StepResult result) noexcept;
std::ostream& operator<<(std::ostream& out, StepResult result);

/// A task that is alive, or has ended while somebody holds its handle.
struct TaskView {
  TaskId id;
  RegionId owner;
  TaskPhase phase = TaskPhase::Created;
  Time created_at;
  bool cancel_requested = false;
  std::optional<CancelReason> cancel_reason;
  Budget budget;  // the effective one of its region
  std::uint32_t steps = 0;
  std::string path;
  std::string waiting_for;  // "sleep", "join", …; "" when it can be stepped, or has ended
};

/// A region that has not closed.
struct RegionView {
  RegionId id;
  RegionState state = RegionState::Open;
  std::optional<RegionId> parent;
  Budget budget;
  RegionLimits limits;
  std::vector<TaskId> tasks;       // live ones, its body among them, in the order of their spawns
  std::vector<RegionId> children;  // in the order of their openings
  std::size_t obligations = 0;
  std::size_t finalizers = 0;  // not yet run
  std::optional<CancelReason> cancel_reason;
  Time created_at;
  std::string path;
};

class Stepper {
 public:
  Stepper() : Stepper(StepperOptions{}) {}
  explicit Stepper(StepperOptions options);
  ~Stepper();
  Stepper(const Stepper&) = delete;
  Stepper& operator=(const Stepper&) = delete;

  // ---- regions ----
  RegionId create_root_region(const Budget& budget = Budget::infinite(), const RegionLimits& limits = {});
  /// Of any region, also one that has closed: spawning through it is then refused.
  template <class P = FailFast>
  Scope<P> scope(RegionId region) const {
    return Scope<P>(scope_core(region));
  }
  void begin_close(RegionId region);
  void cancel(RegionId region, const CancelReason& reason);
  /// Replaces the limits; what is over a new one stays.
  void set_limits(RegionId region, const RegionLimits& limits);

  // ---- contexts ----
  /// The root's driver, always the same one.
  Cx cx(RegionId root);
  /// A driver of its own with other capabilities.
  Cx cx(RegionId root, Capabilities capabilities);

  // ---- stepping ----
  /// One step of a task that is runnable.
  StepResult step(TaskId task);
  /// Steps until nothing is runnable; does not move the clock. How many steps that took.
  std::size_t run_until_idle();
  /// Runs the oldest queued blocking job to its end; false when there is none.
  bool run_blocking_one();
  /// Runs `task` as the driver whose context `cx()` gave last, and everything that is runnable beside it, until
  /// it has ended. When nothing is runnable the clock goes on to the next timer.
  template <class T, class E>
  Outcome<T, E> run(Task<T, E> task) {
    return run_as<T, E>(nullptr, [&](auto slot) { return observe_task(std::move(task), std::move(slot)); });
  }
  /// The same as the driver of `cx`.
  template <class T, class E>
  Outcome<T, E> run(const Cx& cx, Task<T, E> task) {
    return run_as<T, E>(&cx.core(), [&](auto slot) { return observe_task(std::move(task), std::move(slot)); });
  }
  /// Joins as the driver whose context the join was made with.
  template <class T, class E>
  Outcome<T, E> run(const Join<T, E>& join) {
    return run_as<T, E>(&join.detail_cx(), [&](auto slot) { return observe_join(join, std::move(slot)); });
  }

  // ---- time ----
  Time now() const noexcept;
  /// Moves the clock on and fires the timers that become due, in the order of their deadlines. Steps no task.
  void advance(Duration duration);

  // ---- looking ----
  std::optional<TaskView> task(TaskId task) const;
  std::optional<RegionView> region(RegionId region) const;
  /// In the order of their spawns; bodies and running async finalizers among them.
  std::vector<TaskId> live_tasks() const;
  /// What can be stepped, in the order in which run_until_idle would.
  std::vector<TaskId> runnable() const;
  /// Every region and task, for printing.
  Snapshot snapshot() const;

 private:
  struct Impl;
  template <class T, class E>
  using Slot = std::shared_ptr<std::optional<Outcome<T, E>>>;

  template <class T, class E>
  static Task<> observe_task(Task<T, E> task, Slot<T, E> slot) {
    Outcome<T, E> outcome = co_await std::move(task).outcome();
    slot->emplace(std::move(outcome));
  }
  template <class T, class E>
  static Task<> observe_join(Join<T, E> join, Slot<T, E> slot) {
    Outcome<T, E> outcome = co_await join.outcome();
    slot->emplace(std::move(outcome));
  }
  template <class T, class E, class Make>
  Outcome<T, E> run_as(const detail::CxCore* driver, Make make) {
    auto slot = std::make_shared<std::optional<Outcome<T, E>>>();
    Outcome<> ended = drive(driver, make(slot));
    // The observer itself fails only when a destructor threw while a frame of the task was destroyed.
    if (!slot->has_value()) return std::move(ended).template failure_as<T, E>();
    return std::move(**slot);
  }

  detail::ScopeCore scope_core(RegionId region) const;
  Outcome<> drive(const detail::CxCore* driver, Task<> observer);

  std::unique_ptr<Impl> impl_;
};

}  // namespace testing
}  // namespace quiesce
