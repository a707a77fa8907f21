#pragma once
// The records of tasks and regions. Who may touch a field is said beside it; what several threads change at a time is in the
// two words (task_word.hpp, region_word.hpp) or under a lock.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quiesce/budget.hpp"
#include "quiesce/cancel.hpp"
#include "quiesce/detail/kernel/blocking_job.hpp"
#include "quiesce/detail/kernel/executor.hpp"
#include "quiesce/detail/kernel/held_guards.hpp"
#include "quiesce/detail/kernel/kept_lock.hpp"
#include "quiesce/detail/kernel/references.hpp"
#include "quiesce/detail/kernel/region_word.hpp"
#include "quiesce/detail/kernel/slab.hpp"
#include "quiesce/detail/kernel/spin_lock.hpp"
#include "quiesce/detail/kernel/task_word.hpp"
#include "quiesce/detail/kernel/timer_entry.hpp"
#include "quiesce/detail/kernel/wait_node.hpp"
#include "quiesce/ids.hpp"
#include "quiesce/limits.hpp"
#include "quiesce/logical.hpp"
#include "quiesce/outcome.hpp"
#include "quiesce/policy.hpp"

namespace quiesce::detail {

class Kernel;
struct RegionRecord;
struct TaskRecord;
struct RegionShard;
struct ObligationRecord;
struct CapabilityBlock;
struct LeafOps;
struct ForkEntry;

/// A pointer that a stale reader may look at while its record begins another life: what it reads is used only after the
/// generation was checked under the record's lock.
template <class T>
class LoosePointer {
 public:
  LoosePointer& operator=(T* pointer) noexcept {
    pointer_.store(pointer, std::memory_order_relaxed);
    return *this;
  }
  operator T*() const noexcept { return pointer_.load(std::memory_order_relaxed); }
  T* operator->() const noexcept { return *this; }

 private:
  std::atomic<T*> pointer_{nullptr};
};

enum class StepEnd : std::uint8_t { Done, Suspended, Yielded };

/// What a step resumes: a coroutine frame of the library (coro/promise.hpp), or a machine of the kernel's own.
struct Steppable {
  /// Steps the task once; `before` is its word as the step began. When it says Suspended the task sleeps, or runs elsewhere again.
  using Step = StepEnd (*)(TaskRecord& task, TaskWord before) noexcept;
  /// A coroutine of a waiting task, for those who look at it (look.hpp).
  struct Seen {
    const void* awaits_at;     // a std::source_location's word; nullptr: not known
    const Steppable* awaiter;  // whoever awaits it in its turn; nullptr: it is the task's own
  };
  struct Ops {
    Step step;
    Seen (*look)(const Steppable&, const TaskRecord* leaf_of) noexcept = nullptr;
  };
  const Ops* step_ops;
};

/// What the kernel may ask of a result that sits in a record, whatever its type.
struct ResultOps {
  OutcomeKind (*kind)(const TaskRecord&) noexcept;
  Outcome<> (*failure)(const TaskRecord&);                           // the non-Ok side, converted to Error
  const CancelReason& (*cancel_reason)(const TaskRecord&) noexcept;  // of one that is Cancelled
  void (*destroy)(TaskRecord&) noexcept;
  void (*put_failure)(TaskRecord&, Outcome<>&&) noexcept;  // a result for a task that ended without a body
  bool trivial;                                            // an Ok result needs no destroying
};

/// The aggregation policy of a region, type-erased (rule R7).
struct PolicyOps {
  PolicyAction (*on_child_failure)(void* policy, const ChildFailure&);
  void (*aggregate)(void* policy, Outcome<>& so_far, Outcome<>&& next);
  void* default_instance;
  bool joins;  // `aggregate` is Outcome::join, which keeps what it was given when it throws
};

enum class TaskTier : std::uint8_t { Task, Local, Blocking };
enum class TaskRole : std::uint8_t {
  Child,      // spawned into its region
  Body,       // the body of its region (R5)
  Finalizer,  // an async finalizer: holds the finalizer phase, in no count
  Runner,     // the finalizer phase itself
  Fork,       // a forked branch that is not run by its parent's task (fork.hpp)
  Driver      // the Stepper's context outside a region
};

/// One mask guard nest and what hangs off a task only rarely; made when first needed, kept until the record is free.
struct TaskExtra {
  SpinLock<> lock;
  WorkItem mask_check;                 // posted by the mask timer
  std::optional<CancelReason> reason;  // requests on the task itself; under lock
  ObligationRecord* held = nullptr;    // obligations in other regions' ledgers that the task holds; under lock
  RegionRecord* opened = nullptr;      // regions the task has opened and not yet left, newest first; under lock
  ForkEntry* forks = nullptr;          // its branches that are tasks, and have not ended; under lock
  TimerEntry mask_timer;               // under lock: armed while a mask's clean-up budget runs
  TaskRecord* owner = nullptr;
  const PolicyOps* policy = nullptr;        // where it is not the region's; set at birth, as the next
  CapabilityBlock* capabilities = nullptr;  // where they are not the kernel's
  bool mask_timer_armed = false;            // under lock
  std::uint8_t timed_mask_epoch = 0;        // under lock: the mask that the timer is for
  std::uint32_t mask_depth = 0;             // the stepper
  Time mask_begun;                          // under lock: since when the budget of the timed mask runs
  // Steps made under the mask since its budget runs, its shielded regions' too, and how many it allows.
  std::atomic<std::uint32_t> mask_steps_used{0}, mask_steps_max{~0u};
  std::optional<CleanupBudget> own_mask_budget;   // a finalizer's: runs without a request (F2)
  std::optional<PanicPayload> torn;               // the stepper
  std::uint32_t draws = 0;                        // random numbers drawn: the stepper
  std::atomic<std::int64_t> last_checkpoint{-1};  // the stepper, only with metrics: nanoseconds; -1 = none yet
  TaskId noted_context;                           // of a wait that the task makes with another's: the stepper
  Time created_at;                                // only with metrics: to the nanosecond
  std::uint32_t index = 0;
  TaskExtra* free_next = nullptr;
};
inline TaskExtra*& free_link(TaskExtra& extra) { return extra.free_next; }

/// A list of records by index, doubly linked: half of what pointers take.
struct MemberLinks {
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  std::uint32_t prev = none, next = none;
};

/// What list a record is in. One writer at a time: under the shard's lock before the end, under the region's after it.
enum class Membership : std::uint8_t { None, Shard, Failed };

using TaskSlab = Slab<TaskRecord>;
using RegionSlab = Slab<RegionRecord>;
using ExtraSlab = Slab<TaskExtra>;

/// An atomic pointer to a TaskExtra in half a word.
class ExtraPointer {
 public:
  TaskExtra* load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
    return find(link_.load(order));
  }
  bool is_null() const noexcept { return link_.load(std::memory_order_relaxed) == 0; }
  void clear() noexcept { link_.store(0, std::memory_order_relaxed); }
  /// Makes it point to `made` unless it points somewhere already: there then.
  TaskExtra* set_once(TaskExtra& made) noexcept {
    std::uint32_t seen = 0;
    const bool is_set = link_.compare_exchange_strong(seen, made.index + 1, std::memory_order_seq_cst);
    return is_set ? &made : find(seen);
  }

 private:
  static TaskExtra* find(std::uint32_t link) noexcept {
    return link == 0 ? nullptr : ExtraSlab::find(link - 1);
  }
  std::atomic<std::uint32_t> link_{0};  // its index in the slab, and one
};

/// Two cache lines: what a wake and a step touch; what a spawn, a wait and an end touch besides.
struct alignas(64) TaskRecord {
  TaskWordCell<> word;
  std::atomic<std::uint32_t> generation{0};
  std::uint32_t index = 0;
  TaskRecord* queue_next = nullptr;      // the lane or injector it is queued in; the free stock
  RegionRecord* region = nullptr;        // set at birth
  std::atomic<std::uint64_t> joiner{0};  // a Waiter, announced in the word; of a Fork: its ForkEntry
  union {
    Steppable* leaf = nullptr;  // what to resume: the stepper's
    BlockingJob* job;           // of a blocking task, until its function has run; under its shard's lock
  };
  TaskTier tier : 4 = TaskTier::Task;  // these two: set at birth
  TaskRole role : 4 = TaskRole::Child;
  Membership membership = Membership::None;
  References<> references;      // one for the life itself; the last frees the record
  std::uint8_t signal : 6 = 0;  // the stepper (coro/promise.hpp)
  std::uint8_t watched : 1 =
      0;  // set at birth: its cancel points are told (Kernel::note_checkpoint), so none is passed in silence
  std::uint8_t torn : 1 =
      0;  // the stepper: a destructor threw while a frame was destroyed; `extra->torn` says what
  std::uint16_t cooperative_left = 0;   // the stepper (H4)
  std::uint16_t home_worker = 0;        // set at birth
  std::uint32_t created_ms = 0;         // set at birth; coarse
  std::atomic<std::uint32_t> steps{0};  // written by the stepper, read by snapshots

  MemberLinks links;  // in its shard, then among the failed and unjoined
  LogicalPath path;
  union {
    const ResultOps* result_ops = nullptr;
    HeldGuards held;  // but of a coroutine that has not ended: the stepper
  };
  ExtraPointer extra;
  std::atomic<std::uint32_t> ordinals{0};  // children made so far
  // A wait's, or the result. No task waits any more when its result is written. The wait is the stepper's, and of who looks at it
  // (look.hpp); the result is the stepper's until `complete`, then of whoever takes it.
  static constexpr std::size_t inline_result_size = 24;
  struct Wait {
    const LeafOps* ops;  // of the leaf wait, if there is one
    void* data;
    std::uint32_t since_ms;  // coarse
    std::uint32_t place;     // of the await, where `ops->keeps_place` (coro/promise.hpp, 7)
  };
  union {
    Wait wait = {};
    alignas(8) std::byte result[inline_result_size];
  };

  /// How far its lives have come (slab.hpp, 3 and 4).
  struct Lives {
    std::uint32_t generation = 0;
    TaskWord word =
        TaskWord{}.next_epoch();  // a wait's epoch is 2 at least, so zeros are not one before it either
    void include(const TaskRecord& record) noexcept {
      generation = std::max(generation, record.generation.load(std::memory_order_relaxed));
      word.bits = std::max(word.bits, record.word.load().bits);  // of Free ones: epochs, and no more
    }
  };
  void begin(std::uint32_t at, const Lives& lives) noexcept {
    index = at;
    links = {};
    generation.store(lives.generation, std::memory_order_relaxed);
    word.apply_alone([&](TaskWord) -> task_word::Next { return lives.word; });
  }

  TaskId id() const { return {index, generation.load(std::memory_order_relaxed)}; }
  LogicalId logical() const { return path.id(); }
  /// What a task that has not ended waits for; nullptr: nothing. Of one that others step: while it is looked at.
  const LeafOps* waits_for() const { return word.load().done() ? nullptr : wait.ops; }
  TaskPhase phase() const { return phase_of(word.load(), steps.load(std::memory_order_relaxed)); }
  // Of a task in this life: its region is.
  inline Kernel& kernel() const;
  inline bool is_timed() const;
  inline RegionShard& shard() const;
};
static_assert(sizeof(TaskRecord) == 128);
inline TaskRecord*& free_link(TaskRecord& record) { return record.queue_next; }

/// A finalizer (rules F1, F2): a node of the region's LIFO list.
struct FinalizerNode {
  FinalizerNode* next = nullptr;
  bool async = false;
  virtual ~FinalizerNode() noexcept(false) = default;  // the user's function may throw when it goes: isolated
  /// A sync finalizer runs here; an async one makes its first frame in `task` and is then stepped as a task.
  virtual void start(TaskRecord& task) = 0;
};

/// A value on the region heap (R9).
struct HeapNode {
  HeapNode* next = nullptr;
  std::uint32_t index = 0;
  std::size_t bytes = 0;
  virtual ~HeapNode() noexcept(false) = default;  // the user's value may throw when it goes: isolated (R9)
};

/// Is this Cancelled of the region's own making (O2)? Also when it came back up from a child region, as a cause.
bool own_cancellation(const CancelReason& reason, RegionId region) noexcept;

/// How a region ended, handed to whoever awaits it.
struct RegionResult {
  RegionId id;
  Outcome<> failures = Outcome<>::ok();   // of its children, aggregated
  std::optional<CancelReason> cancelled;  // R10: an outside request that ended a child or the body
  bool body_failed_first = false;         // order of record between the body's failure and `failures`
  std::optional<CancelReason> reason;     // the region's own final reason
  void (*closed)(RegionResult&) noexcept = nullptr;  // called instead of claiming a waiter (block_on)
  Waiter waiter;                                     // the awaiting task
};

/// A failure on its way to the policy of its region (R7).
struct ReportedFailure {
  const PolicyOps* policy;
  TaskId task;
  std::string path;
  Outcome<> failure;
};

/// Tasks of a region, by the worker that spawned them. `spare`: counts of the region's word that no task stands behind, for the
/// next to be spawned here (region_word.hpp).
struct alignas(64) RegionShard {
  KeptLock<> lock;  // of the worker that spawns here, mostly
  std::uint32_t spare = 0;
  std::uint32_t members = MemberLinks::none;
};

struct RegionRecord {
  static constexpr std::uint32_t shard_count = 4;

  RegionWordCell<> word;
  std::atomic<std::uint32_t> owed{0};         // obligations, and one token for the finalizer phase
  std::atomic<std::uint32_t> child_count{0};  // child regions
  std::atomic<std::uint32_t> fork_count{0};   // forked branches that are tasks: `max_tasks` does not count them
  std::atomic<bool> body_live{false};         // the body's count, or the hold of a Stepper root, is in `live`
  std::atomic<std::uint32_t> max_tasks{~0u};  // R8; ~0 = not limited
  std::atomic<std::uint32_t> ordinals{0};  // of the tasks that are its own and no task's: body, finalizers (S8)
  std::uint32_t index = 0;
  // `cancelled` is `outside` by now; written under the lock.
  std::atomic<bool> cancel_is_noted{false};
  // Set at birth, then read only.
  LoosePointer<Kernel> kernel;
  RegionRecord* parent = nullptr;
  std::uint32_t parent_generation = 0;
  TaskRecord* opener = nullptr;
  Budget budget;
  Time timed_until = Time::max();  // the deadline of the budget: key of the timed lane; max: not timed
  const PolicyOps* policy = nullptr;
  void* policy_instance = nullptr;
  LogicalPath path;
  LogicalId logical;
  Time created_at;
  bool bounded = false;                  // C10
  std::optional<CleanupBudget> cleanup;  // settable; else the default by rank
  RegionRecord* quota = nullptr;         // the nearest region, itself included, with a finite quota
  std::atomic<std::int64_t> polls_left{0};
  std::atomic<std::int64_t> cost_left{0};
  bool counts_polls = false, counts_cost = false;
  bool counts_mask = false;  // born shielded: its steps are its opener's mask's (C11)

  RegionShard shards[shard_count];

  SpinLock<> lock;  // guards everything below
  RegionRecord* children = nullptr;
  RegionRecord* sibling_prev = nullptr;  // under the parent's lock
  RegionRecord* sibling_next = nullptr;
  RegionRecord* opened_next = nullptr;  // the opener's list, under its extra's lock
  RegionLimits limits;
  std::optional<CancelReason> reason;   // greatest of all requests
  std::optional<CancelReason> outside;  // greatest of those that are not its own FailFast or RaceLost
  std::optional<CancelReason> pending;  // waits at a shield (C11)
  bool shielded = false;
  bool body_ended = false;
  bool escalated = false;
  Time close_begun;
  Time requested_at;  // the first cancel request; a bounded region's clean-up budget runs from it
  std::uint32_t failed = MemberLinks::none;  // completed, failed, unjoined
  Outcome<> failures = Outcome<>::ok();
  bool policy_busy = false;               // somebody asks the policy, one failure at a time
  std::vector<ReportedFailure> reported;  // for whoever that is
  bool body_failed_first = false;
  std::optional<CancelReason> cancelled;
  FinalizerNode* finalizers = nullptr;
  FinalizerNode* finalizing = nullptr;  // the async one that runs: the finalizer phase's
  std::uint32_t finalizer_count = 0;
  HeapNode* heap = nullptr;
  std::vector<HeapNode*> heap_slots;
  std::size_t heap_bytes = 0;
  ObligationRecord* ledger = nullptr;
  std::uint32_t obligation_count = 0;
  bool leaks =
      false;  // its finalizers have run and its heap is dead: what stays Reserved without a holder leaks
  RegionResult* result = nullptr;
  TimerEntry deadline_timer;  // both timers only post `timer_check`
  TimerEntry escalation_timer;
  TimerEntry warning_timer;
  TimerEntry notice_timer;  // for metrics only: the deadline is near
  bool warning_armed = false;
  bool notice_armed = false;
  bool deadline_armed = false;
  bool escalation_armed = false;
  bool held = false;  // a Stepper root's own live count
  WorkItem timer_check;

  RegionRecord* free_next = nullptr;

  RegionId id() const { return {index, word.load().generation()}; }
  /// Is this record still in the life of that generation?
  bool is(std::uint32_t generation) const {
    RegionWord w = word.load();
    return w.generation() == generation && w.gate() != Gate::Closed;
  }
};

inline RegionRecord*& free_link(RegionRecord& record) { return record.free_next; }

inline Kernel& TaskRecord::kernel() const { return *region->kernel; }
inline bool TaskRecord::is_timed() const { return region->timed_until != Time::max(); }
inline RegionShard& TaskRecord::shard() const {
  return region->shards[home_worker % RegionRecord::shard_count];
}

/// Adds to the front of a list of members or before another, or takes out of it, under the lock that guards it.
inline void link_front(std::uint32_t& head, TaskRecord& task) noexcept {
  task.links = {MemberLinks::none, head};
  if (head != MemberLinks::none) TaskSlab::at(head)->links.prev = task.index;
  head = task.index;
}
inline void link_before(std::uint32_t& head, TaskRecord& task, TaskRecord& next) noexcept {
  const std::uint32_t prev = next.links.prev;
  task.links = {prev, next.index};
  next.links.prev = task.index;
  (prev == MemberLinks::none ? head : TaskSlab::at(prev)->links.next) = task.index;
}
inline void unlink(std::uint32_t& head, TaskRecord& task) noexcept {
  const auto [prev, next] = task.links;
  (prev == MemberLinks::none ? head : TaskSlab::at(prev)->links.next) = next;
  if (next != MemberLinks::none) TaskSlab::at(next)->links.prev = prev;
}
inline TaskRecord* first_member(std::uint32_t head) noexcept {
  return head == MemberLinks::none ? nullptr : TaskSlab::at(head);
}
inline TaskRecord* next_member(const TaskRecord& task) noexcept { return first_member(task.links.next); }

/// The task that is being stepped on this thread, or nullptr. Out of line: no coroutine body may hold the address of a
/// thread-local over a suspension (docs/compilers.md).
TaskRecord* current_task() noexcept;
void set_current_task(TaskRecord* task) noexcept;

}  // namespace quiesce::detail
