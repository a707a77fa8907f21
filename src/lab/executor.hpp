#pragma once
// The executor of the lab: tasks are agents of an Engine (detail/lab/engine.hpp), time is virtual, jobs of the blocking pool are agents
// too. Kernel, coroutines, scopes and combinators are those of production.
//
//  1. An agent's name is the logical id of its task. It is made when the task is first scheduled and steps it until it has ended; a
//     suspended task's agent sleeps, and `schedule` wakes it.
//  2. Timers fire when no agent can move: the clock goes to the nearest deadline, and all that are due then fire in order.
//  3. Work that a timer leaves (`post`) is done by an agent of its own, the clerk, which the run does not wait for.
//  4. When a run is given up, tasks that sleep are ended afterwards, one step after the other and with no engine: every root is
//     cancelled and stepped to its end.
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/lab/engine.hpp"

namespace quiesce::lab::detail {

using quiesce::detail::BlockingJob;
using quiesce::detail::Kernel;
using quiesce::detail::KernelConfig;
using quiesce::detail::Lane;
using quiesce::detail::Origin;
using quiesce::detail::TaskRecord;
using quiesce::detail::TimerEntry;
using quiesce::detail::WorkItem;

class LabExecutor final : public quiesce::detail::Executor {
 public:
  LabExecutor(Engine& engine, std::uint32_t workers, bool draws_cancels, KernelConfig config);
  ~LabExecutor() override;

  Kernel& kernel() { return *kernel_; }
  /// The engine runs: the clerk is made, and timers fire when nothing can move.
  void begin();
  /// The engine has stopped: what is left is cancelled and stepped to its end. What cannot be ended, as text; empty: nothing.
  std::string drain();
  std::string describe_deadlock() const;

  void schedule(TaskRecord& task, Lane lane, Origin origin) noexcept override;
  void arm(TimerEntry& entry) noexcept override;
  bool disarm(TimerEntry& entry) noexcept override;
  void post(WorkItem& item) noexcept override;
  bool submit_blocking(BlockingJob& job) noexcept override;
  bool withdraw_blocking(BlockingJob& job) noexcept override;
  Time now() const noexcept override { return clock_; }
  void use(LogicalId object, quiesce::detail::Use how) noexcept override;
  void use_handle(LogicalId task) noexcept override;
  void at_cancel_point(TaskRecord& task) noexcept override;

 private:
  struct TimerKey {
    Time deadline;
    std::uint64_t sequence;
    TimerEntry* entry;
    friend bool operator<(const TimerKey& a, const TimerKey& b) {
      return std::pair(a.deadline, a.sequence) < std::pair(b.deadline, b.sequence);
    }
  };

  void step_until_end(TaskRecord& task);
  bool pass_time();
  void run_posts();
  std::uint32_t worker_for(const TaskRecord& task);

  Engine& engine_;
  Kernel* kernel_;
  const std::uint32_t workers_;
  Time clock_;
  std::set<TimerKey> timers_;
  std::uint64_t timer_sequence_ = 0;
  std::deque<WorkItem*> posts_;
  std::set<BlockingJob*> jobs_;  // submitted and not begun
  struct Agent {
    TaskRecord* task;
    bool runnable;  // scheduled, and not stepped since
  };
  std::map<LogicalId, Agent> agents_;  // of tasks that have been scheduled and have not ended
  const bool draws_cancels_;           // whether a request lands at a cancel point is drawn
  std::uint64_t cancel_points_ = 0;
  bool draining_ = false;
  std::deque<TaskRecord*> runnable_;  // while draining
};

}  // namespace quiesce::lab::detail
