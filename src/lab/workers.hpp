#pragma once
// Tasks on simulated workers: the lanes, stealing and parking of production (exec/worker.hpp), each worker an agent of the engine. What
// the strategy chooses here is which worker goes on; which task that worker takes is the scheduler's own rule (H1 to H4, S4).
//
//  1. A step of a worker is one look: posted work, timers, one dispatch or the way into its sleep. It is cut where the task's own code
//     is (lab::atomic and the like), and another worker may go on in its middle.
//  2. A worker that parks sleeps. When nobody can move, time goes on to the nearest deadline that a worker sleeps until. One that would
//     watch a long step looks up instead, a few times without time going on: so a worker that is blocked in a step is found.
//  3. When a run is given up, the same workers make the remaining steps, one after another and with no engine.
#include <optional>
#include <vector>

#include "exec/worker.hpp"
#include "run_watch.hpp"

namespace quiesce::lab::detail {

/// H2 from outside: how many cancelled tasks a worker takes in a row while it could take another.
class StreakOracle {
 public:
  explicit StreakOracle(std::uint32_t workers) : waiting_(workers, 0), streak_(workers, 0) {}
  /// `worker`: who queued it.
  void scheduled(const quiesce::detail::TaskRecord& task, quiesce::detail::Lane lane, std::uint32_t worker);
  std::string begun(const quiesce::detail::TaskRecord& task, std::uint32_t worker, std::uint32_t limit);

 private:
  static constexpr std::uint32_t anybody = ~0u, cancelled = ~0u - 1;
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> queued_;  // a task, and who may take it for certain
  std::vector<std::uint32_t> waiting_;                              // not cancelled: that this worker may take
  std::uint32_t waiting_for_anybody_ = 0;
  std::vector<std::uint32_t> streak_;
};

class WorkersExecutor final : public quiesce::detail::ProductionExecutor, public TaskExecutor {
 public:
  WorkersExecutor(Engine& engine, const RunMode& mode, quiesce::detail::KernelConfig config);
  ~WorkersExecutor() override;

  quiesce::detail::Kernel& kernel() override { return *kernel_; }
  RunWatch& watch() override { return watch_; }
  void begin() override;
  std::string drain() override;
  std::string broken_bound() const override;

  void schedule(quiesce::detail::TaskRecord& task, quiesce::detail::Lane lane,
                quiesce::detail::Origin origin) noexcept override;
  bool submit_blocking(quiesce::detail::BlockingJob& job) noexcept override {
    return watch_.submit_blocking(job);
  }
  bool withdraw_blocking(quiesce::detail::BlockingJob& job) noexcept override {
    return watch_.withdraw_blocking(job);
  }
  Time now() const noexcept override { return watch_.clock; }
  void joins(quiesce::detail::TaskRecord& task, const quiesce::detail::ForkEntry& entry) noexcept override;
  void use(LogicalId object, quiesce::detail::Use how) noexcept override { watch_.use(object, how); }
  LogicalId new_object(const char* kind, const char* name) noexcept override {
    return watch_.new_object(kind, name);
  }
  void use_handle(LogicalId task) noexcept override { watch_.use_handle(task); }
  void at_cancel_point(quiesce::detail::TaskRecord& task) noexcept override {
    watch_.at_cancel_point(*kernel_, task);
  }
  bool refuses(quiesce::detail::Refusal what) noexcept override { return watch_.refuses(what); }
  std::exception_ptr panics(quiesce::detail::TaskRecord& task) noexcept override { return watch_.panics(task); }
  void happened(const quiesce::detail::KernelEvent& event) noexcept override;

 protected:
  void sleep(quiesce::detail::Worker& worker, std::optional<Time> until, bool watch) override;
  void wake(quiesce::detail::Worker& worker) noexcept override;

 private:
  struct Held {
    Time until;
    quiesce::detail::TaskRecord* task;
    quiesce::detail::Lane lane;
    quiesce::detail::Origin origin;
  };
  struct Sleeper {
    bool asleep = false, watches = false;
    std::optional<Time> until;
  };
  void work(quiesce::detail::Worker& worker);
  bool pass_time();
  void release_due();
  bool look_up();
  std::uint64_t dispatched() const;
  std::optional<Time> next_deadline() const;

  RunWatch watch_;
  Engine& engine_;
  quiesce::detail::Kernel* kernel_;
  StreakOracle streaks_;
  std::vector<Sleeper> sleepers_;
  std::vector<Held> held_;       // kept back by chaos
  std::uint64_t looked_at_ = 0;  // dispatches at the last look
  std::uint32_t looks_ = 0;      // since then
};

}  // namespace quiesce::lab::detail
