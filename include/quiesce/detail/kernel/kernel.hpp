#pragma once
// The kernel of one runtime: what is true about its regions and tasks, and the only code that changes it.
//
// A task's life here: admit_task (counted in its region, record made) -> publish (linked, looked at again for a cancel that
// missed it, scheduled) -> run_step, again and again -> complete (result in the record; joiner claimed; the region's policy;
// count dropped) -> its record is free when the handle is gone too.
// A region's: open_region -> ... -> release_live to zero -> finalizer phase -> drop_owed to zero -> close_region, iteratively
// up the tree.
//
// Lock order: parent region -> (child region | extra | shard) -> executor's timer and lane locks. No user code under any.
#include <atomic>
#include <cstdint>
#include <exception>
#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "quiesce/capabilities.hpp"
#include "quiesce/detail/kernel/records.hpp"
#include "quiesce/log.hpp"
#include "quiesce/metrics.hpp"
#include "quiesce/panic_isolation.hpp"
#include "quiesce/spawn_error.hpp"

namespace quiesce::detail {

class ForkLane;
struct ForkJoinCore;

/// Capabilities of a set of contexts: immutable, owned by the kernel until it is recycled.
struct CapabilityBlock {
  Capabilities set;
};

struct KernelConfig {
  std::string name = "quiesce";
  std::uint64_t seed = 0;
  std::uint32_t poll_budget = 128;  // steps of one task before it gives way (H4)
  PanicIsolationConfig panics;
  Capabilities capabilities;
  std::shared_ptr<MetricsProvider> metrics;
  std::shared_ptr<LogSink> log;
  std::optional<Duration> close_warning;  // a close that takes longer says what it waits for
  bool exact = false;                     // Stepper, lab: budgets are counted step by step
  Defect defect = Defect::None;           // of an exact kernel: what a test has broken in it
};

/// A region and the life that is meant.
struct RegionRef {
  RegionRecord* record = nullptr;
  std::uint32_t generation = 0;
  RegionId id() const { return {record->index, generation}; }
  bool alive() const { return record != nullptr && record->is(generation); }
};

/// Is a request the region's own doing (FailFast of its policy, RaceLost), or from outside (rules O2, R10)?
enum class Whose : std::uint8_t { Own, Outside };

struct Birth {
  RegionRef region;
  TaskRecord* parent = nullptr;  // whose logical child it is; nullptr: the region's
  TaskTier tier = TaskTier::Task;
  TaskRole role = TaskRole::Child;
  const PolicyOps* policy = nullptr;        // nullptr: the region's
  CapabilityBlock* capabilities = nullptr;  // nullptr: the kernel's
  bool has_handle = true;
  std::optional<std::uint32_t> ordinal =
      {};  // drawn before; none: the next of the parent's, or of the region's
};

/// Why a task was not admitted; null: it was. On the heap, so that who is admitted pays for a null pointer only.
using SpawnRefusal = std::unique_ptr<SpawnError>;
inline SpawnRefusal refusal(SpawnError error) { return std::make_unique<SpawnError>(std::move(error)); }

struct RegionBirth {
  RegionRef parent;              // none: a root
  TaskRecord* opener = nullptr;  // the task that awaits it
  Budget budget = Budget::infinite();
  RegionLimits limits;
  const PolicyOps* policy = nullptr;
  void* policy_instance = nullptr;
  RegionResult* result = nullptr;
  bool bounded = false;
  std::optional<CleanupBudget> cleanup;
  bool held = false;  // a Stepper root: the first count is its own, not a body's
};

struct KernelCounts {
  std::uint64_t tasks_spawned = 0, tasks_completed = 0, regions_opened = 0, regions_closed = 0, panics = 0,
                escalated = 0, leaked_obligations = 0;
};

class Kernel {
 public:
  /// A kernel from the process-wide stock: its memory is never given back, so that a stale context can look at it.
  static Kernel& acquire(KernelConfig config, Executor& executor);
  /// Every region must have closed.
  void recycle() noexcept;

  const KernelConfig& config() const { return config_; }
  Executor& executor() const { return *executor_; }
  /// Its runtime has not been destroyed. Kernels are never deleted.
  bool is_in_use() const { return executor_ != nullptr; }
  PanicIsolator& isolator() const { return *isolator_; }
  MetricsProvider* metrics() const { return config_.metrics.get(); }
  CapabilityBlock* default_capabilities() const { return default_capabilities_; }
  CapabilityBlock* add_capabilities(Capabilities set);
  KernelCounts counts() const;
  void count_leak() noexcept { leaked_.fetch_add(1, std::memory_order_relaxed); }

  // ---- tasks (src/kernel/task.cpp) ----
  /// A record, counted in its region and linked there (a child), or held by the caller (every other role).
  std::expected<TaskRecord*, SpawnError> admit_task(const Birth& birth);
  /// The same of a child that a task of this kernel spawns, with its capabilities. nullptr: refused.
  TaskRecord* admit_child(RegionRef region, TaskRecord& parent, TaskTier tier, const PolicyOps* policy,
                          bool has_handle, SpawnRefusal& refused);
  /// Undoes admit_task before publish: no count, list or handle remembers it (S1).
  void abandon_task(TaskRecord& task) noexcept;
  const PolicyOps* policy_of(const TaskRecord& task) const noexcept;
  /// Of any task whose record is held; the kernel's own unless its context was given others.
  CapabilityBlock* capabilities_of(const TaskRecord& task) const noexcept {
    return task.extra.is_null() ? default_capabilities_ : own_capabilities_of(task);
  }
  void publish(TaskRecord& task) noexcept;
  /// The same for who steps the task itself.
  void announce(TaskRecord& task) noexcept;
  /// Tells an executor that wants to know (exact kernels) what the current step uses.
  void use(const TaskRecord& task, Use how) const noexcept {
    if (config_.exact) executor_->use(task.logical(), how);
  }
  void use(const RegionRecord& region, Use how) const noexcept {
    if (config_.exact) executor_->use(region.logical, how);
  }
  void use(LogicalId object, Use how) const noexcept {
    if (config_.exact) executor_->use(object, how);
  }
  /// Tells an executor that wants to know what has just become true.
  void tell(const KernelEvent& event) const noexcept {
    if (config_.exact) executor_->happened(event);
  }
  bool refuses(Refusal what) const noexcept { return config_.exact && executor_->refuses(what); }
  bool plants(Defect defect) const noexcept { return config_.exact && config_.defect == defect; }
  /// Whether the task's handle is there: who drops it and the task's end ask for it.
  void use_handle(const TaskRecord& task) const noexcept {
    if (config_.exact) executor_->use_handle(task.logical());
  }
  /// A cancel point of the task: for the lab; for the metrics, time since the one before. Nothing without either.
  void note_checkpoint(TaskRecord& task) noexcept {
    use(task, Use::Read);
    if (config_.exact) executor_->at_cancel_point(task);
    if (metrics() != nullptr) report_checkpoint(task, true);
  }
  /// A wait that was a cancel point has ended: the time until the next one runs from here.
  void restart_checkpoint(TaskRecord& task) noexcept {
    if (metrics() != nullptr) report_checkpoint(task, false);
  }
  /// One step of a Queued task, with everything around it: current task, budgets, yields.
  StepEnd run_step(TaskRecord& task) noexcept;
  /// The outcome is in the record and the frame is gone.
  void complete(TaskRecord& task, OutcomeKind kind) noexcept;
  void complete(TaskRecord& task) noexcept { complete(task, task.result_ops->kind(task)); }
  /// Claims a waiting task and schedules it if it slept.
  static bool claim(Waiter waiter, bool by_request = false, Origin origin = Origin::Wake) noexcept;
  /// The same in two parts, for who holds a lock: `sleeper` is to be passed to `wake` once the lock is free.
  struct Claim {
    bool won;
    TaskRecord* sleeper;
  };
  static Claim claim_only(Waiter waiter, bool by_request = false) noexcept;
  /// By a grant, also of a wait that was announced.
  static Claim claim_granted(Waiter waiter) noexcept;
  static void wake(TaskRecord& sleeper, bool by_request = false, Origin origin = Origin::Wake) noexcept;
  /// The caller won `take`: the record forgets a failure that nobody will join any more.
  static void unlink_failed(TaskRecord& task) noexcept;
  static void drop_handle(TaskRecord& task) noexcept;
  /// The blocking task's job is about to go: no canceller may look at it any more.
  static void forget_job(TaskRecord& task) noexcept;
  static void drop_reference(TaskRecord& task) noexcept;
  /// Under the shard's lock, by who takes a member out of its list: spares that nobody else comes for; to be released without the lock.
  [[nodiscard]] static std::uint32_t last_spares(const RegionRecord& region, RegionShard& shard) noexcept;
  /// Records a panic of the task: isolator, threshold (P3). The id is in the payload it returns.
  PanicPayload note_panic(TaskRecord& task, std::exception_ptr exception) noexcept;
  PanicPayload note_panic(RegionRecord& region, const PanicLocation& location,
                          std::exception_ptr exception) noexcept;

  // ---- forked branches (src/kernel/fork.cpp; fork.hpp has the protocol) ----
  /// Makes a task of an entry that the caller has taken from a lane; it is to be stepped. nullptr: no memory, it was given back.
  TaskRecord* begin_fork(ForkEntry& entry) noexcept;
  /// Before a step of the task ends without it: what it has on the lane becomes tasks.
  void promote_forks(ForkLane& lane) noexcept;
  /// Asks every branch of the join that is a task to stop, now or when it begins. False: that has been done before.
  bool stop_forks(ForkJoinCore& join) noexcept;
  /// The task's mask is over: so is that of the branches that began under it.
  void expire_fork_masks(TaskRecord& task, CancelKind kind) noexcept;

  // ---- regions (src/kernel/region.cpp) ----
  std::expected<RegionRef, SpawnError> open_region(const RegionBirth& birth);
  void begin_close(RegionRef region) noexcept;
  void release_live(RegionRecord& region, std::uint32_t count = 1) noexcept;
  /// The body, or the Stepper's hold, is no longer in `live`: spares go, then its own count.
  void release_body(RegionRecord& region) noexcept;
  void release_owed(RegionRecord& region) noexcept;
  /// A failure that no handle will show: policy, aggregation (R7).
  void report_failure(RegionRecord& region, const PolicyOps* policy, const TaskRecord& task,
                      Outcome<> failure) noexcept;
  SpawnError refuse(RegionRef region) const;
  void note_closing(RegionRecord& region) noexcept;
  /// Logs what a close waits for: each task below, its wait, its region's path, its age (src/kernel/snapshot.cpp).
  void warn_slow_close(RegionRef region) noexcept;
  std::expected<void, RegionError> add_finalizer(RegionRef region, std::unique_ptr<FinalizerNode> node);

  // ---- cancellation (src/kernel/cancel.cpp) ----
  void cancel_region(RegionRef region, const CancelReason& reason, Whose whose) noexcept;
  void cancel_task(TaskRecord& task, const CancelReason& reason) noexcept;
  /// Past the clean-up budget: frames go at their next suspension (C10).
  void escalate_region(RegionRef region) noexcept;
  /// The task was admitted or linked after the canceller's walk may have passed.
  void deliver_request(TaskRecord& task) noexcept;
  void deliver_escalation(TaskRecord& task) noexcept;
  /// A request from above comes to a region: it was born under it, or its shield has ended.
  void inherit_request(RegionRef region, const CancelReason& reason) noexcept;
  /// C11: what waited at the shield comes through; `reason` when nothing had come there yet.
  void lift_shield(RegionRef region, const std::optional<CancelReason>& reason) noexcept;
  /// A finalizer of a bounded region has been requested: past one more budget its frame goes too.
  void bound_finalizer(RegionRecord& region) noexcept;
  /// What the task would see: its own requests and its region's, the greater. Only while the task is alive.
  std::optional<CancelReason> reason_of(TaskRecord& task) noexcept;
  /// The same for one that is told to end: also of a task whose frames go without a request (a destructor threw).
  CancelReason reason_seen_by(TaskRecord& task) noexcept;
  CleanupBudget cleanup_budget(TaskRecord& task) noexcept;
  CancelReason stamped(CancelReason reason, const RegionRecord* region, const TaskRecord* task) const;

  // ---- masks (src/kernel/mask.cpp); the stepper only ----
  void enter_mask(TaskRecord& task);
  void leave_mask(TaskRecord& task) noexcept;
  /// Counts steps under the mask, while its budget runs; when it is spent the mask counts as 0. Any thread.
  void count_masked_steps(TaskRecord& task, std::uint32_t steps) noexcept;
  /// The budget begins to run, or is tightened by a graver reason.
  void start_mask_budget(TaskRecord& task) noexcept;
  /// The mask is over, by its guard or with the task: its timer must not outlive it.
  void stop_mask_timer(TaskRecord& task) noexcept;
  void expire_mask(TaskRecord& task, std::uint8_t mask_epoch, CancelKind kind) noexcept;
  static TaskExtra& extra(TaskRecord& task);

  // ---- budgets (src/kernel/budget.cpp) ----
  void count_polls(RegionRecord& region, std::uint32_t steps) noexcept;
  bool charge(RegionRecord& region, std::uint64_t cost) noexcept;

  std::uint32_t next_root_ordinal() { return root_ordinal_.fetch_add(1, std::memory_order_relaxed); }
  /// Roots, for snapshots and shutdown.
  std::vector<RegionRef> roots() const;
  void set_accepting(bool yes) noexcept { accepting_.store(yes, std::memory_order_seq_cst); }
  bool accepting() const noexcept { return accepting_.load(std::memory_order_seq_cst); }
  /// With panic isolation switched off (P4): the first exception, for block_on to rethrow.
  std::exception_ptr take_unisolated(RegionRef root = {}) noexcept;  // no root: any

  Kernel* free_next = nullptr;

 private:
  friend struct FinalizerRunner;
  Kernel() = default;
  bool enter_finalizing(RegionRecord& region) noexcept;
  void sweep_failures(RegionRecord& region) noexcept;
  /// Closes and reclaims; the parent whose count must be dropped, or nullptr.
  RegionRecord* close_region(RegionRecord& region) noexcept;
  void settle(RegionRecord* region) noexcept;
  /// How a child ended: after a request; Cancelled by the region's own doing; a joiner that waited has been claimed by this
  /// completion and will take the result itself.
  struct Completion {
    bool requested, by_own, seen;
  };
  void note_completion(RegionRecord& region, TaskRecord& task, OutcomeKind kind, Completion how) noexcept;
  void report_checkpoint(TaskRecord& task, bool reached) noexcept;
  void watch_deadline(RegionRecord& region) noexcept;
  void report_close(const RegionRecord& region, bool has_own_deadline) noexcept;
  void ask_policy(RegionRecord& region, ReportedFailure reported) noexcept;
  void complete_body(RegionRecord& region, TaskRecord& task, OutcomeKind kind) noexcept;
  /// R10: a child or the body has ended Cancelled, and not by the region's own doing.
  static void note_cancelled(RegionRecord& region) noexcept;
  static bool cancelled_by_own(const RegionRecord& region, const TaskRecord& task) noexcept;
  bool escalate_task(TaskRecord& task) noexcept;
  void note_escalated(TaskId task, const std::string& path) noexcept;
  /// Admits the child to its region and links it. When it does not: counts to give back, and how many tasks were at the limit.
  struct Entry {
    bool admitted, at_limit;
    std::uint32_t taken, live;
  };
  Entry enter_region(TaskRecord& task, RegionRef ref) noexcept;
  bool enter_by_spare(TaskRecord& task, RegionRef ref) noexcept;
  TaskRecord* admit(const Birth& birth, SpawnRefusal& refused);
  SpawnRefusal admission_refusal(RegionRef region, TaskRole role) const;
  TaskRecord& make_record(const Birth& birth, std::uint32_t self);
  void note_birth(TaskRecord& task, const PolicyOps* policy, CapabilityBlock* capabilities);
  SpawnRefusal refuse_entry(TaskRecord& task, RegionRef ref, Entry entry);
  /// May shards of the region hold spare counts, as long as somebody comes for them (region_word.hpp, 4)?
  bool may_leave_spares(const RegionRecord& region) const noexcept;
  /// Of a task that ends: false when its joiner has been woken before.
  bool wake_joiner(Waiter joiner, Origin origin) noexcept;
  void complete_child(TaskRecord& task, RegionRecord& region, Origin wakes) noexcept;
  void complete_as_requested(TaskRecord& task, RegionRecord& region) noexcept;
  void count_completed(const TaskRecord& task, std::uint32_t self) noexcept;
  void complete_otherwise(TaskRecord& task, OutcomeKind kind) noexcept;
  static void link_member(TaskRecord& task) noexcept;
  static void unlink_member(TaskRecord& task) noexcept;
  static void free_record(TaskRecord& task) noexcept;
  CapabilityBlock* own_capabilities_of(const TaskRecord& task) const noexcept;
  static void drop_unjoined(TaskRecord& task) noexcept;
  void request_one(TaskRecord& task, const CancelReason& own, std::vector<TaskRecord*>& forks) noexcept;
  void end_fork(TaskRecord& task, ForkEntry& entry, OutcomeKind kind) noexcept;

  KernelConfig config_;
  bool watches_ = false;  // cancel points are told to somebody
  std::uint16_t poll_budget_ = 1;
  Executor* executor_ = nullptr;
  std::unique_ptr<PanicIsolator> isolator_;
  std::vector<std::unique_ptr<CapabilityBlock>> capability_blocks_;
  CapabilityBlock* default_capabilities_ = nullptr;
  Registry* default_registry_ = nullptr;  // of those
  mutable std::mutex mutex_;              // capability blocks, roots, unisolated
  std::vector<RegionRef> roots_;
  std::vector<std::pair<RegionRef, std::exception_ptr>> unisolated_;  // by root
  void note_unisolated(RegionRecord& region, std::exception_ptr exception) noexcept;
  std::atomic<bool> accepting_{true};
  std::atomic<std::uint32_t> root_ordinal_{0};
  struct alignas(64) CountShard {
    std::atomic<std::uint64_t> tasks_spawned{0}, tasks_completed{0};
  };
  static constexpr std::uint32_t count_shards = 17;
  CountShard count_shards_[count_shards];
  void count(std::atomic<std::uint64_t> CountShard::*counter, std::uint32_t self) noexcept;
  std::atomic<std::uint64_t> regions_opened_{0}, regions_closed_{0}, panics_{0}, escalated_{0}, leaked_{0};
};

/// Counts what this worker has stepped and not yet counted; before it parks.
void flush_polls() noexcept;

}  // namespace quiesce::detail
