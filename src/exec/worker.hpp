#pragma once
// The production executor: workers, their lanes, stealing, parking and timers (architecture.md, "Production executor").
//
//  1. A runnable task is in exactly one place: a worker's LIFO slot, its ready, cancel or local queue, the shared timed lane, or one
//     of the two injectors, where foreign threads put theirs. Whoever takes it out steps it once.
//  2. Order of a worker's look: cancel, timed, ready (LIFO slot, own queue, injector, others' queues). Bounds (H2): after
//     `cancel_streak_limit` cancel dispatches in a row one timed or ready task goes first if there is one; after as many timed or
//     LIFO dispatches in a row one from the ready queues; every 61st dispatch looks at the injector, or at what has overflowed, first.
//  3. A worker with nothing to do searches (at most half of them at a time), then parks in the idle set with its timers' next
//     deadline. Whoever makes work visible to all claims one parked worker, unless one is searching (exec/idle_set.hpp).
//  4. The LIFO slot announces itself to nobody: its owner takes it next. An owner that stays in one step for long is found by
//     parked workers, who look up every `watch_interval` while another works, and take the slot and the due timers over.
//  5. A join of the task in the slot steps it at once, within the joiner's step, when it is the next to be dispatched by 2: the
//     joiner need not sleep if that step ends it. Nested a few deep at most; each costs the joiner one of its step's awaits (H4).
//  6. What the step of a worker has forked is on its lane (kernel/fork.hpp), where a searcher looks last.
//  7. Locality is worth more than spreading: what the caches of two cores exchange for a stolen task costs more than a short step of
//     it. So a searcher compares how many steps its victim has made since it looked last; where a step is shorter than
//     `worth_stealing_ns` it leaves everything there, and naps: it still counts as searching, so nobody is woken for such work, and it
//     looks again after `nap_ns`, later each time. A victim in a long step has made none: it loses its tasks, as a sleeper's. What is
//     given to a napping worker alone, what comes from outside and a branch on offer end its nap.
//  8. Tasks that talk to each other through memory want to be on one worker, which no length of a step tells; that their workers wait
//     for each other's locks does. A worker that has come to the end of its work and has waited so for a good part of the time is
//     shy for a while (exec/shyness.hpp): it leaves tasks alone as in 7. So those that are woken come together on the other.
//  9. Timers: a wheel a worker, under its own lock. Foreign threads use worker 0's. An arm that comes before the deadline its
//     worker sleeps until wakes it.
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "quiesce/detail/exec/blocking_pool.hpp"
#include "quiesce/detail/exec/idle_set.hpp"
#include "quiesce/detail/exec/injector.hpp"
#include "quiesce/detail/exec/intrusive_queue.hpp"
#include "quiesce/detail/exec/lane_queue.hpp"
#include "quiesce/detail/exec/lifo_slot.hpp"
#include "quiesce/detail/exec/parker.hpp"
#include "quiesce/detail/exec/shyness.hpp"
#include "quiesce/detail/exec/timed_heap.hpp"
#include "quiesce/detail/exec/timer_wheel.hpp"
#include "quiesce/detail/kernel/fork.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce::detail {

/// What a worker has done: written by it, read by anyone.
struct WorkerCounters {
  std::atomic<std::uint64_t> dispatched{0}, cancel{0}, timed{0}, lifo{0}, ready{0}, local{0}, injected{0},
      stolen{0}, parked{0};
  /// The longest run of cancel dispatches while a timed or ready task of this worker was enabled (H2).
  std::atomic<std::uint64_t> cancel_streak_max{0};
  /// The longest run of timed or LIFO dispatches while its ready queue held a task.
  std::atomic<std::uint64_t> preferred_streak_max{0};
};

class ProductionExecutor;

class Worker {
 public:
  Worker(ProductionExecutor& executor, std::uint32_t index);
  void start();
  void join();
  std::uint32_t index() const { return index_; }
  const WorkerCounters& counters() const { return counters_; }

  // What `start` does on a thread of its own, in pieces, for who has no threads (the lab).
  void enter();
  /// Timers, posted work, then one dispatch or a sleep. False: the executor stops, and nothing is left here.
  bool turn();
  void leave();
  std::optional<Time> next_timer();

 private:
  friend ProductionExecutor;
  bool is_here() const noexcept { return thread_context.scheduler == this; }
  bool make_turn();
  void run();
  TaskRecord* next();
  TaskRecord* next_at_once(std::uint64_t tick);
  bool others_go_first(std::uint64_t tick) const;
  TaskRecord* next_in_slot();
  TaskRecord* preferred_lanes();
  TaskRecord* ready_lanes();
  TaskRecord* own_ready();
  TaskRecord* own_cancel();
  bool cancel_waits() const;
  bool others_wait() const;
  TaskRecord* search();
  TaskRecord* steal_from(Worker& victim, bool shy);
  bool is_worth_stealing_from(const Worker& victim);
  bool is_shy();
  void look_up(Time now);
  void wake_up();
  void nap();
  bool take_over_stuck();
  void observed_step(TaskRecord& task);
  void tell_ticks();
  void look_after(Worker& other, bool same_step, Time now);
  void park();
  bool anything_visible() const;
  void fire_timers(Time now);
  bool arm_in_wheel(TimerEntry& entry) noexcept;
  void run_posted();
  void count_preferred(std::atomic<std::uint64_t>& counter);
  static void count(std::atomic<std::uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  bool step_now(TaskRecord& task) noexcept;

  ProductionExecutor& executor_;
  const std::uint32_t index_;
  std::thread thread_;
  Parker<> parker_;
  LaneQueue<TaskRecord> ready_, cancel_;
  ForkLane forks_;  // watched where the executor wants it
  alignas(64) LifoSlot<TaskRecord> lifo_;
  IntrusiveQueue<TaskRecord, &TaskRecord::queue_next> local_, local_cancel_;
  Injector<TaskRecord> inbox_, inbox_cancel_;  // local tasks woken by others
  alignas(64) OwnedLock<> timer_lock_;
  TimerWheel wheel_;     // under timer_lock_
  Time sleeping_until_;  // under timer_lock_; Time::zero() while awake
  std::atomic<bool> has_timers_{false};
  bool searching_ = false;
  bool declined_ = false;    // the last search found something, and left it (executor, 7)
  std::int64_t nap_ns_ = 0;  // the last nap in a row
  Shyness shyness_;
  std::atomic<bool> is_napping_{false};
  bool local_turn_ = false, local_cancel_turn_ = false;
  std::uint32_t nested_ = 0;
  std::uint32_t cancel_streak_ = 0, preferred_streak_ = 0;
  std::uint32_t victim_ = 0;
  std::vector<std::uint64_t> watched_;  // others' dispatch counts at the last look
  struct Pace {
    std::uint64_t dispatched = 0;
    std::int64_t at_ns = 0;
    bool is_worth = true;
  };
  std::vector<Pace> paces_;  // others', when they were last looked at as victims
  // With a metrics provider only: what it was told last, and what is being stepped since when, for others to look at.
  MetricsProvider* metrics_ = nullptr;
  std::uint64_t ticked_ = 0;
  std::atomic<TaskRecord*> stepping_{nullptr};
  std::atomic<std::int64_t> stepping_since_{0};
  std::vector<std::uint64_t> told_stuck_;  // others' dispatch counts of steps that were reported
  WorkerCounters counters_;
};

/// Virtual time and sleeping without threads are the lab's; the lanes and their order are the same.
class ProductionExecutor : public Executor {
 public:
  struct Config {
    std::uint32_t workers = 1;
    std::uint32_t blocking_min = 0, blocking_max = 512;
    std::uint32_t cancel_streak_limit = 16;
    std::string name = "quiesce";
    /// Called by a worker that has nothing to do, with nanoseconds of the steady clock: gives pooled memory that has grown old back, a
    /// slice at a time. Its answer says when to call again (coro/frame_pool.hpp).
    std::optional<std::int64_t> (*age_memory)(std::int64_t now_ns) noexcept = nullptr;
  };
  explicit ProductionExecutor(Config config);
  ~ProductionExecutor() override;

  void attach(Kernel& kernel) { kernel_ = &kernel; }
  void start(Kernel& kernel);
  /// No task is left: joins every thread.
  void stop() noexcept;
  /// In all wheels; after `stop`.
  std::size_t armed_timers() const noexcept;

  void schedule(TaskRecord& task, Lane lane, Origin origin) noexcept override;
  bool step_now(TaskRecord& task) noexcept override;
  void offered(ForkLane& lane, ForkEntry& entry) noexcept override;
  bool others_wait() const noexcept override;
  void arm(TimerEntry& entry) noexcept override;
  bool disarm(TimerEntry& entry) noexcept override;
  bool rearm(SharedTimerEntry& entry, Time until) noexcept override;
  bool stop(SharedTimerEntry& entry) noexcept override;
  void post(WorkItem& item) noexcept override;
  bool submit_blocking(BlockingJob& job) noexcept override { return pool_.submit(&job); }
  bool withdraw_blocking(BlockingJob& job) noexcept override { return pool_.try_remove(&job); }
  Time now() const noexcept override;

  const Config& config() const { return config_; }
  const BlockingPool& pool() const { return pool_; }
  std::uint32_t worker_count() const { return static_cast<std::uint32_t>(workers_.size()); }
  const WorkerCounters& counters(std::uint32_t worker) const { return workers_[worker]->counters_; }

 protected:
  Worker& worker(std::uint32_t index) { return *workers_[index]; }
  /// `joins` is to be called for what this worker has forked.
  static void watch_joins(Worker& worker) { worker.forks_.is_watched = true; }
  /// Until `wake`, also one that came before, or that time; with `watch` not for longer than `watch_interval`.
  virtual void sleep(Worker& worker, std::optional<Time> until, bool watch);
  virtual void wake(Worker& worker) noexcept;

 private:
  friend Worker;
  struct KeyOf {
    TimedKey operator()(const TaskRecord& task) const {
      return {task.region->timed_until.nanos(), task.logical().value};
    }
  };
  /// Steps within steps (step_now): what the stack must hold.
  static constexpr std::uint32_t nested_max = 8;
  static constexpr std::uint32_t injector_interval = 61, clock_interval = 16, batch_max = 64;
  static constexpr std::int64_t watch_interval_ns = 5'000'000;
  static constexpr std::uint64_t tick_interval = 1024;
  static constexpr std::int64_t worth_stealing_ns = 400, pace_over_ns = 1'000, nap_ns = 50'000,
                                nap_max_ns = 400'000;
  /// A step that has passed no checkpoint for so long is reported to the metrics.
  static constexpr std::int64_t stuck_after_ns = 100'000'000;

  void schedule_local(TaskRecord& task, bool cancelled) noexcept;
  void schedule_apart(TaskRecord& task, Lane lane) noexcept;
  void give_to_others(Worker& worker, TaskRecord& displaced) noexcept;
  void wake_one() noexcept;
  void wake_a_napper_or_one() noexcept;
  Worker& arming_worker() noexcept;
  bool arm_here(SharedTimerEntry& entry, Time until, Worker& here) noexcept;
  bool bring_and_arm(SharedTimerEntry& entry, Time until, Worker& here) noexcept;
  TaskRecord* pop_timed() noexcept;

  Config config_;
  Kernel* kernel_ = nullptr;
  const std::int64_t started_ns_;
  std::atomic<bool> stopping_{false};
  std::vector<std::unique_ptr<Worker>> workers_;
  IdleSet<> idle_;
  std::atomic<std::uint32_t> napping_{0};
  Injector<TaskRecord> injected_, injected_cancel_;
  Injector<WorkItem, RealPlatform, &WorkItem::next> posted_;
  alignas(64) SpinLock<> timed_lock_;
  TimedHeap<TaskRecord, KeyOf> timed_;  // under timed_lock_
  std::atomic<std::size_t> timed_size_{0};
  BlockingPool pool_;
};

/// The worker that runs on this thread, of whatever runtime, or nullptr.
Worker* this_worker() noexcept;

}  // namespace quiesce::detail
