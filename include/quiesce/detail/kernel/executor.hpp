#pragma once
// What the kernel asks of a runtime. Production, the Stepper and the lab implement it; nothing else differs between them.
#include <atomic>
#include <cstdint>
#include <exception>

#include "quiesce/detail/kernel/blocking_job.hpp"
#include "quiesce/detail/kernel/event.hpp"
#include "quiesce/detail/kernel/timer_entry.hpp"
#include "quiesce/detail/kernel/work_item.hpp"
#include "quiesce/logical.hpp"
#include "quiesce/time.hpp"

namespace quiesce::detail {

struct TaskRecord;
struct ForkEntry;
class ForkLane;

/// The three lanes of rule H1, in the order in which they are looked at.
enum class Lane : std::uint8_t { Cancel, Timed, Ready };

/// Where a runnable task comes from: a hint for locality, never for correctness. Handoff is a wake by a task that has just ended,
/// as the last thing that its step does.
enum class Origin : std::uint8_t { Spawn, Wake, Handoff, Yield };

/// How a step of an exact kernel uses what others may use too: for who decides which steps may be exchanged (the lab).
enum class Use : std::uint8_t {
  Read,
  Update,  // commutes with other updates: counts of a region
  Enter,   // likewise, by one more that will have to leave
  Write
};

/// What an executor may refuse an exact kernel.
enum class Refusal : std::uint8_t { Spawn, Region, Allocation };

class Executor {
 public:
  virtual ~Executor() = default;
  /// The task has just become Queued; it must be stepped once. Any thread. Local tasks go to their own worker.
  virtual void schedule(TaskRecord& task, Lane lane, Origin origin) noexcept = 0;
  /// The running task is about to wait for this one. True: it was the next to be stepped here anyway, and has been, within
  /// the caller's step.
  virtual bool step_now(TaskRecord&) noexcept { return false; }
  /// The running step has put a branch where others may take it, and may have done so (fork.hpp).
  virtual void offered(ForkLane&, ForkEntry&) noexcept {}
  /// Would something else run on this worker if the running task gave way now? Asked now and then by a step that runs many branches.
  virtual bool others_wait() const noexcept { return true; }
  /// The running task is about to join this branch. Only of an exact kernel.
  virtual void joins(TaskRecord&, const ForkEntry&) noexcept {}
  /// `entry.deadline` and `entry.fire` are set. Any thread; the entry must not be armed.
  virtual void arm(TimerEntry& entry) noexcept = 0;
  /// After it returns the entry is neither armed nor firing. True when it had not fired. Any thread.
  virtual bool disarm(TimerEntry& entry) noexcept = 0;
  /// The timer fires then, and no more at the time before, if it was armed. True: it was. Any thread. As it stands here for an executor
  /// of one thread.
  virtual bool rearm(SharedTimerEntry& entry, Time until) noexcept {
    const bool was_armed = disarm(entry);
    entry.set_deadline(until);
    entry.state.store(TimerState::Armed, std::memory_order_relaxed);
    arm(entry);
    return was_armed;
  }
  /// After it returns the timer is neither armed nor firing. True when it was armed. Any thread.
  virtual bool stop(SharedTimerEntry& entry) noexcept {
    const bool was_armed = disarm(entry);
    if (was_armed) entry.state.store(TimerState::Idle, std::memory_order_relaxed);
    return was_armed;
  }
  /// Runs `item.run` soon, on a worker, outside every lock. The item must have won `try_post`. Any thread, also under a lock.
  virtual void post(WorkItem& item) noexcept = 0;
  /// Hands a job to the blocking pool; false when the pool takes no more work.
  virtual bool submit_blocking(BlockingJob& job) noexcept = 0;
  /// True: the job will never run.
  virtual bool withdraw_blocking(BlockingJob& job) noexcept = 0;
  virtual Time now() const noexcept = 0;
  /// The current step uses a task or region. Only of an exact kernel.
  virtual void use(LogicalId, Use) noexcept {}
  /// The current step depends on whether that task's handle is there, or drops it. Only of an exact kernel.
  virtual void use_handle(LogicalId) noexcept {}
  /// The running task makes something that others may use too; both texts are literals, the name may be nullptr. Only of an exact
  /// kernel.
  virtual LogicalId new_object(const char* /*kind*/, const char* /*name*/) noexcept { return {}; }
  /// The running task is at a cancel point: it is about to look for a request, or to wait. Only of an exact kernel.
  virtual void at_cancel_point(TaskRecord&) noexcept {}
  /// Does the lab's chaos strike here? Only of an exact kernel.
  virtual bool refuses(Refusal) noexcept { return false; }
  /// A panic for the task's innermost coroutine, which is about to go on; null: none. Only of an exact kernel.
  virtual std::exception_ptr panics(TaskRecord&) noexcept { return nullptr; }
  /// Only of an exact kernel; perhaps under locks.
  virtual void happened(const KernelEvent&) noexcept {}
  /// The worker that runs on this thread, or `no_worker`.
  std::uint32_t current_worker() const noexcept;
  /// A cheaper `now()` that may lag by a few steps; for statistics.
  Time coarse_now() const noexcept { return Time::from_nanos(coarse_now_.load(std::memory_order_relaxed)); }
  std::uint32_t coarse_ms() const noexcept { return coarse_ms_.load(std::memory_order_relaxed); }

  static constexpr std::uint32_t no_worker = ~std::uint32_t{0};

 protected:
  void set_coarse_now(Time now) noexcept {
    coarse_now_.store(now.nanos(), std::memory_order_relaxed);
    coarse_ms_.store(static_cast<std::uint32_t>(now.nanos() / 1'000'000), std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t> coarse_now_{0};
  std::atomic<std::uint32_t> coarse_ms_{0};  // its lower 32 bits: what a record keeps
};

}  // namespace quiesce::detail
