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
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "run_watch.hpp"

namespace quiesce::lab::detail {

using quiesce::detail::BlockingJob;
using quiesce::detail::Kernel;
using quiesce::detail::KernelConfig;
using quiesce::detail::Lane;
using quiesce::detail::Origin;
using quiesce::detail::TaskRecord;
using quiesce::detail::TimerEntry;
using quiesce::detail::WorkItem;

class LabExecutor final : public quiesce::detail::Executor, public TaskExecutor {
 public:
  LabExecutor(Engine& engine, const RunMode& mode, KernelConfig config);
  ~LabExecutor() override;

  Kernel& kernel() override { return *kernel_; }
  RunWatch& watch() override { return watch_; }
  void begin() override;
  std::string drain() override;

  void schedule(TaskRecord& task, Lane lane, Origin origin) noexcept override;
  void offered(quiesce::detail::ForkLane& lane, quiesce::detail::ForkEntry& entry) noexcept override;
  void joins(TaskRecord& task, const quiesce::detail::ForkEntry& entry) noexcept override;
  void arm(TimerEntry& entry) noexcept override;
  bool disarm(TimerEntry& entry) noexcept override;
  void post(WorkItem& item) noexcept override;
  bool submit_blocking(BlockingJob& job) noexcept override { return watch_.submit_blocking(job); }
  bool withdraw_blocking(BlockingJob& job) noexcept override { return watch_.withdraw_blocking(job); }
  Time now() const noexcept override { return watch_.clock; }
  void use(LogicalId object, quiesce::detail::Use how) noexcept override { watch_.use(object, how); }
  LogicalId new_object(const char* kind, const char* name) noexcept override {
    return watch_.new_object(kind, name);
  }
  void use_handle(LogicalId task) noexcept override { watch_.use_handle(task); }
  void at_cancel_point(TaskRecord& task) noexcept override { watch_.at_cancel_point(*kernel_, task); }
  bool refuses(quiesce::detail::Refusal what) noexcept override { return watch_.refuses(what); }
  std::exception_ptr panics(quiesce::detail::TaskRecord& task) noexcept override { return watch_.panics(task); }
  void happened(const quiesce::detail::KernelEvent& event) noexcept override {
    watch_.happened(*kernel_, event);
  }

 private:
  struct TimerKey {
    Time deadline;
    std::uint64_t sequence;
    TimerEntry* entry;
    friend bool operator<(const TimerKey& a, const TimerKey& b) {
      return std::pair(a.deadline, a.sequence) < std::pair(b.deadline, b.sequence);
    }
  };

  struct Held {
    Time until;
    std::uint64_t sequence;
    TaskRecord* task;
    friend bool operator<(const Held& a, const Held& b) {
      return std::pair(a.until, a.sequence) < std::pair(b.until, b.sequence);
    }
  };

  void release(TaskRecord& task);
  std::optional<Time> next_due() const;
  void fire_due();
  void step_until_end(TaskRecord& task);
  bool pass_time();
  void run_posts();
  std::uint32_t worker_for(const TaskRecord& task);

  RunWatch watch_;
  Engine& engine_;
  Kernel* kernel_;
  std::set<TimerKey> timers_;
  std::uint64_t timer_sequence_ = 0;
  std::set<Held> held_;  // kept back by chaos
  std::deque<WorkItem*> posts_;
  struct Agent {
    TaskRecord* task;
    bool runnable;  // scheduled, and not stepped since
    bool is_made;   // the engine has it
  };
  std::map<LogicalId, Agent> agents_;  // of tasks that have been scheduled and have not ended
  std::deque<TaskRecord*> runnable_;   // while draining
};

}  // namespace quiesce::lab::detail
