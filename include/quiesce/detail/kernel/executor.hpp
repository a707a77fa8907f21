#pragma once
// What the kernel asks of a runtime. Production, the Stepper and the lab implement it; nothing else differs between them.
#include <cstdint>

#include "quiesce/detail/kernel/blocking_job.hpp"
#include "quiesce/detail/kernel/timer_entry.hpp"
#include "quiesce/detail/kernel/work_item.hpp"
#include "quiesce/time.hpp"

namespace quiesce::detail {

struct TaskRecord;

/// The three lanes of rule H1, in the order in which they are looked at.
enum class Lane : std::uint8_t { Cancel, Timed, Ready };

/// Where a runnable task comes from: a hint for locality, never for correctness.
enum class Origin : std::uint8_t { Spawn, Wake, Yield };

class Executor {
 public:
  virtual ~Executor() = default;
  /// The task has just become Queued; it must be stepped once. Any thread. Local tasks go to their own worker.
  virtual void schedule(TaskRecord& task, Lane lane, Origin origin) noexcept = 0;
  /// `entry.deadline` and `entry.fire` are set. Any thread; the entry must not be armed.
  virtual void arm(TimerEntry& entry) noexcept = 0;
  /// After it returns the entry is neither armed nor firing. True when it had not fired. Any thread.
  virtual bool disarm(TimerEntry& entry) noexcept = 0;
  /// Runs `item.run` soon, on a worker, outside every lock. The item must have won `try_post`. Any thread, also under a lock.
  virtual void post(WorkItem& item) noexcept = 0;
  /// Hands a job to the blocking pool; false when the pool takes no more work.
  virtual bool submit_blocking(BlockingJob& job) noexcept = 0;
  /// True: the job will never run.
  virtual bool withdraw_blocking(BlockingJob& job) noexcept = 0;
  /// The worker that runs on this thread, or `no_worker`.
  virtual std::uint32_t current_worker() const noexcept = 0;
  virtual Time now() const noexcept = 0;
  /// A cheaper `now()` that may lag by a few steps; for statistics.
  virtual Time coarse_now() const noexcept = 0;

  static constexpr std::uint32_t no_worker = ~std::uint32_t{0};
};

}  // namespace quiesce::detail
