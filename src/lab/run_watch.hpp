#pragma once
// What both executors of the lab share (executor.hpp, workers.hpp): the run's engine and clock, the oracles and the trace that are
// told of everything, requests that are drawn at cancel points, and jobs of the blocking pool, which are agents of their own.
#include <boost/unordered/unordered_flat_map.hpp>
#include <set>
#include <string>

#include "dice.hpp"
#include "oracles.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/lab/engine.hpp"
#include "run_mode.hpp"
#include "task_trace.hpp"

namespace quiesce::lab::detail {

class RunWatch {
 public:
  RunWatch(Engine& run_engine, const RunMode& wanted)
      : engine(run_engine), mode(wanted), dice(run_engine, mode.chaos), oracles_(wanted.futurelock_steps) {}

  Engine& engine;
  const RunMode mode;
  const Dice dice;
  Time clock;
  bool draining = false;  // the engine has stopped, and nothing is looked at any more

  bool refuses(quiesce::detail::Refusal what) const noexcept;
  std::exception_ptr panics(quiesce::detail::TaskRecord& task) const noexcept;
  void use(LogicalId object, quiesce::detail::Use how) noexcept;
  LogicalId new_object(const char* kind, const char* name) noexcept;
  void use_handle(LogicalId task) noexcept;
  void at_cancel_point(quiesce::detail::Kernel& kernel, quiesce::detail::TaskRecord& task) noexcept;
  void happened(quiesce::detail::Kernel& kernel, const quiesce::detail::KernelEvent& event) noexcept;
  void scheduled(const quiesce::detail::TaskRecord& task) noexcept;
  /// Nothing can move, and no timer is due. False: the run is over.
  bool idle() noexcept;
  void move_clock(Time to) noexcept;
  /// An oracle's sentence, if it has one, ends the run for good.
  void check(std::string broken) noexcept;

  bool submit_blocking(quiesce::detail::BlockingJob& job) noexcept;
  bool withdraw_blocking(quiesce::detail::BlockingJob& job) noexcept { return jobs_.erase(&job) > 0; }
  /// Those that have not begun run now.
  void run_jobs() noexcept;

  /// Who waits for what, with the cycle if there is one.
  std::string describe_deadlock(quiesce::detail::Kernel& kernel) const;
  /// Empty unless the engine keeps its trace.
  RunTrace take_trace() { return trace_.take(); }
  const std::string& first_leak() const { return oracles_.first_leak(); }

 private:
  Oracles oracles_;
  TaskTrace trace_;
  std::set<quiesce::detail::BlockingJob*> jobs_;  // submitted and not begun
  std::uint64_t cancel_points_ = 0;
  boost::unordered_flat_map<std::uint64_t, Clock>
      ends_;  // by task that has ended: what whoever sees it Done knows
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> points_of_;  // by task, while coverage is asked for
};

/// Who makes the steps of one run.
class TaskExecutor {
 public:
  virtual ~TaskExecutor() = default;
  virtual quiesce::detail::Kernel& kernel() = 0;
  virtual RunWatch& watch() = 0;
  /// The engine runs: agents are made, and timers fire when nothing can move.
  virtual void begin() = 0;
  /// The engine has stopped: what is left is cancelled and stepped to its end. What cannot be ended, as text; empty: nothing.
  virtual std::string drain() = 0;
  /// After the run: a bound of the scheduler's that was not kept.
  virtual std::string broken_bound() const { return {}; }
};

/// Steps that a given-up run may still need to end what sleeps in it.
inline constexpr std::size_t drain_steps_max = 1'000'000;

}  // namespace quiesce::lab::detail
