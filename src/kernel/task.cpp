// A task from admission to the end of its record.
#include <algorithm>
#include <mutex>
#include <new>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/fork.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/obligations.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce::detail {
namespace {

constexpr std::uint32_t lease = 16;

/// The next ordinal of a parent: its own steps need no read-modify-write.
std::uint32_t next_ordinal(TaskRecord& parent) {
  if (thread_context.running != &parent) return parent.ordinals.fetch_add(1, std::memory_order_relaxed);
  std::uint32_t ordinal = parent.ordinals.load(std::memory_order_relaxed);
  parent.ordinals.store(ordinal + 1, std::memory_order_relaxed);
  return ordinal;
}

[[gnu::noinline]] void forget_rare(TaskRecord& task) noexcept {
  TaskExtra* extra = task.extra.load(std::memory_order_acquire);
  task.extra.clear();
  {
    std::scoped_lock hold(extra->lock);
    extra->owner = nullptr;
    extra->policy = nullptr;
    extra->capabilities = nullptr;
    extra->reason.reset();
    extra->own_mask_budget.reset();
    extra->torn.reset();
    extra->last_checkpoint.store(-1, std::memory_order_relaxed);
    extra->opened = nullptr;
    extra->forks = nullptr;
    extra->mask_depth = 0;
    extra->draws = 0;
  }
  ExtraSlab::free(extra);
}

Lane lane_of(const TaskRecord& task, bool by_request) {
  if (by_request) return Lane::Cancel;
  return task.is_timed() ? Lane::Timed : Lane::Ready;
}

}  // namespace

constinit thread_local ThreadContext thread_context{};
constinit thread_local Executor* exact_executor = nullptr;
constinit std::atomic<bool> exact_runs{false};

std::uint32_t Executor::current_worker() const noexcept { return worker_of(*this) - 1; }

TaskRecord* current_task() noexcept { return thread_context.running; }
void set_current_task(TaskRecord* task) noexcept { thread_context.running = task; }

/// What stands in the way of any admission, and what a lab injects. Null: nothing.
[[gnu::noinline]] SpawnRefusal Kernel::admission_refusal(RegionRef ref, TaskRole role) const {
  const bool child = role == TaskRole::Child;
  if (child && !accepting()) return refusal(SpawnError(SpawnErrorKind::RuntimeShutdown, ref.id()));
  if ((child || role == TaskRole::Fork) && refuses(Refusal::Allocation)) throw std::bad_alloc();
  if (!child || !refuses(Refusal::Spawn)) return nullptr;
  RegionRecord& region = *ref.record;
  const std::uint32_t live = region.word.load().live();
  return refusal(
      SpawnError::at_capacity(ref.id(), region.path.to_string(), "max_tasks (injected)", live, live));
}

/// A record in its new life, in no list yet. `self`: whose locks this thread holds.
[[gnu::always_inline]] inline TaskRecord& Kernel::make_record(const Birth& birth, std::uint32_t self) {
  RegionRecord& region = *birth.region.record;
  TaskRecord* const made = TaskSlab::allocate();
  if (made == nullptr) [[unlikely]]
    throw std::bad_alloc();
  TaskRecord& task = *made;
  task.generation.store(task.generation.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  task.region = &region;
  task.leaf = nullptr;
  task.tier = birth.tier;
  task.role = birth.role;
  task.home_worker = static_cast<std::uint16_t>(self == 0 ? 0 : self - 1);
  task.references.begin();
  task.joiner.store(0, std::memory_order_relaxed);
  task.wait = {};
  task.signal = 0;
  task.watched = watches_;
  task.torn = 0;
  if (birth.parent != nullptr) {
    task.path.become_child(birth.parent->path, birth.ordinal ? *birth.ordinal : next_ordinal(*birth.parent));
  } else {
    task.path.become_child(region.path, region.ordinals.fetch_add(1, std::memory_order_relaxed));
  }
  task.ordinals.store(0, std::memory_order_relaxed);
  task.steps.store(0, std::memory_order_relaxed);
  task.cooperative_left = poll_budget_;
  task.created_ms = executor_->coarse_ms();
  task.result_ops = nullptr;
  TaskStep born = task.word.apply_alone([&](TaskWord w) { return task_word::birth(w, birth.has_handle); });
  QUIESCE_ASSERT(born.made, "a record from the free stock is Free");
  return task;
}

/// What a record of its own kind needs besides.
[[gnu::noinline]] void Kernel::note_birth(TaskRecord& task, const PolicyOps* policy,
                                          CapabilityBlock* capabilities) {
  try {
    TaskExtra& rare = extra(task);
    if (policy != nullptr && policy != task.region->policy) rare.policy = policy;
    if (capabilities != nullptr && capabilities != default_capabilities_) rare.capabilities = capabilities;
    rare.created_at = executor_->coarse_now();
  } catch (...) {
    abandon_task(task);
    throw;
  }
}

[[gnu::always_inline]] inline TaskRecord* Kernel::admit(const Birth& birth, SpawnRefusal& refused) {
  RegionRecord& region = *birth.region.record;
  const bool child = birth.role == TaskRole::Child;
  if (watches_ || (child && !accepting())) [[unlikely]] {
    refused = admission_refusal(birth.region, birth.role);
    if (refused) return nullptr;
  }
  const std::uint32_t self = worker_of(*executor_);
  TaskRecord& task = make_record(birth, self);
  if (child && !enter_by_spare(task, birth.region)) [[unlikely]] {
    const Entry entry = enter_region(task, birth.region);
    if (watches_) {
      const bool limited = region.max_tasks.load(std::memory_order_relaxed) != ~0u;
      use(region, limited ? Use::Write : entry.admitted ? Use::Enter : Use::Read);
    }
    if (!entry.admitted) {
      refused = refuse_entry(task, birth.region, entry);
      return nullptr;
    }
  }
  const bool own_policy = birth.policy != nullptr && birth.policy != region.policy;
  const bool own_capabilities = birth.capabilities != nullptr && birth.capabilities != default_capabilities_;
  if (own_policy || own_capabilities || watches_) [[unlikely]] {
    if (own_policy || own_capabilities || metrics() != nullptr)
      note_birth(task, birth.policy, birth.capabilities);
  }
  return &task;
}

std::expected<TaskRecord*, SpawnError> Kernel::admit_task(const Birth& birth) {
  SpawnRefusal refused;
  if (TaskRecord* task = admit(birth, refused)) return task;
  return std::unexpected(std::move(*refused));
}

TaskRecord* Kernel::admit_child(RegionRef region, TaskRecord& parent, TaskTier tier, const PolicyOps* policy,
                                bool has_handle, SpawnRefusal& refused) {
  return admit({.region = region,
                .parent = &parent,
                .tier = tier,
                .policy = policy,
                .capabilities = parent.extra.is_null() ? nullptr : capabilities_of(parent),
                .has_handle = has_handle},
               refused);
}

inline bool Kernel::may_leave_spares(const RegionRecord& region) const noexcept {
  return !config_.exact && region.max_tasks.load(std::memory_order_relaxed) == ~0u;
}

std::uint32_t Kernel::last_spares(const RegionRecord& region, RegionShard& shard) noexcept {
  const bool somebody_comes = shard.members != MemberLinks::none || region.body_live.load();
  return somebody_comes ? 0 : std::exchange(shard.spare, 0);
}

/// The rule: the shard is this worker's, and a task that has ended here has left its count. False: nothing was done.
[[gnu::always_inline]] inline bool Kernel::enter_by_spare(TaskRecord& task, RegionRef ref) noexcept {
  RegionShard& shard = task.shard();
  KeptLock<>::Mark* const mark = shard.lock.enter_as_owner(thread_context.locker);
  if (mark == nullptr) return false;
  const bool enters = shard.spare > 0 && region_word::admits(ref.record->word.load(), ref.generation);
  if (enters) [[likely]] {
    --shard.spare;
    link_front(shard.members, task);
    task.membership = Membership::Shard;
  }
  KeptLock<>::leave_as_owner(*mark);
  return enters;
}

Kernel::Entry Kernel::enter_region(TaskRecord& task, RegionRef ref) noexcept {
  RegionRecord& region = *ref.record;
  RegionShard& shard = task.shard();
  Entry entry{};
  const KeptLock<>::Hold hold(shard.lock, thread_context.locker);
  if (shard.spare > 0) {
    entry.admitted = region_word::admits(region.word.load(), ref.generation);
    if (entry.admitted) --shard.spare;
  } else {
    entry.taken = may_leave_spares(region) ? lease : 1;
    const RegionWord before = region.word.add(entry.taken);
    entry.admitted = region_word::admits(before, ref.generation);
    const std::uint32_t limit = region.max_tasks.load(std::memory_order_relaxed);
    if (entry.admitted && limit != ~0u) {
      const std::uint32_t others =
          region.child_count.load() + region.fork_count.load() + (region.body_live.load() ? 1 : 0);
      entry.live = before.live() - std::min(before.live(), others);
      entry.at_limit = entry.live >= limit;
      entry.admitted = !entry.at_limit;
    }
    if (entry.admitted) shard.spare += entry.taken - 1;
  }
  if (entry.admitted) {
    link_front(shard.members, task);
    task.membership = Membership::Shard;
  }
  return entry;
}

[[gnu::noinline]] SpawnRefusal Kernel::refuse_entry(TaskRecord& task, RegionRef ref, Entry entry) {
  task.word.apply_alone([](TaskWord w) { return task_word::complete(w); });
  free_record(task);
  RegionRecord& region = *ref.record;
  SpawnError error = entry.at_limit
                         ? SpawnError::at_capacity(ref.id(), region.path.to_string(), "max_tasks",
                                                   region.max_tasks.load(std::memory_order_relaxed), entry.live)
                         : refuse(ref);
  if (entry.taken > 0) release_live(region, entry.taken);
  return refusal(std::move(error));
}

void Kernel::abandon_task(TaskRecord& task) noexcept {
  RegionRecord& region = *task.region;
  const bool counted = task.role == TaskRole::Child;
  unlink_member(task);
  task.word.apply([](TaskWord w) { return task_word::complete(w); });
  drop_reference(task);
  if (!counted) return;
  use(region, Use::Update);
  release_live(region);
}

const PolicyOps* Kernel::policy_of(const TaskRecord& task) const noexcept {
  const TaskExtra* rare = task.extra.load(std::memory_order_acquire);
  return rare != nullptr && rare->policy != nullptr ? rare->policy : task.region->policy;
}

CapabilityBlock* Kernel::own_capabilities_of(const TaskRecord& task) const noexcept {
  const TaskExtra* rare = task.extra.load(std::memory_order_acquire);
  return rare != nullptr && rare->capabilities != nullptr ? rare->capabilities : default_capabilities_;
}

void Kernel::link_member(TaskRecord& task) noexcept {
  RegionShard& shard = task.shard();
  const KeptLock<>::Hold hold(shard.lock, thread_context.locker);
  link_front(shard.members, task);
  task.membership = Membership::Shard;
}

void Kernel::unlink_member(TaskRecord& task) noexcept {
  RegionShard& shard = task.shard();
  std::uint32_t spares;
  {
    const KeptLock<>::Hold hold(shard.lock, thread_context.locker);
    if (task.membership != Membership::Shard) return;
    unlink(shard.members, task);
    task.membership = Membership::None;
    spares = last_spares(*task.region, shard);
  }
  if (spares > 0) task.kernel().release_live(*task.region, spares);
}

// A worker adds to a shard of its own without a read-modify-write; everybody else shares the last one.
inline void Kernel::count(std::atomic<std::uint64_t> CountShard::*counter, std::uint32_t self) noexcept {
  const std::uint32_t worker = self - 1;
  if (worker < count_shards - 1) [[likely]] {
    std::atomic<std::uint64_t>& mine = count_shards_[worker].*counter;
    mine.store(mine.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  } else {
    (count_shards_[count_shards - 1].*counter).fetch_add(1, std::memory_order_relaxed);
  }
}

void Kernel::forget_job(TaskRecord& task) noexcept {
  std::scoped_lock hold(task.shard().lock);
  task.job = nullptr;
}

void Kernel::publish(TaskRecord& task) noexcept {
  if (task.role == TaskRole::Child && !watches_) [[likely]]
    count(&CountShard::tasks_spawned, worker_of(*executor_));  // all that there is to announce
  else
    announce(task);
  if (task.tier != TaskTier::Blocking) executor_->schedule(task, lane_of(task, false), Origin::Spawn);
}

void Kernel::announce(TaskRecord& task) noexcept {
  RegionRecord& region = *task.region;
  count(&CountShard::tasks_spawned, worker_of(*executor_));
  report_metric(metrics(), [&](MetricsProvider& to) { to.task_spawned(region.id(), task.id()); });
  if (task.role != TaskRole::Child) {  // C4: a child was linked with its admission; others are, then look again
    link_member(task);
    if (region.word.load().cancelled()) {
      deliver_request(task);
      deliver_escalation(task);
    }
  }
  tell({.kind = KernelEventKind::TaskPublished, .task = &task, .region = &region});
  if (task.role == TaskRole::Child && plants(Defect::TaskNotCounted)) release_live(region);
}

void WakeTimer::arm(TaskRecord& task, Time until) noexcept {
  waiter = Waiter::of(task.index, task.word.load().epoch());
  deadline = until;
  fire = [](TimerEntry& entry) noexcept { Kernel::claim(static_cast<WakeTimer&>(entry).waiter); };
  task.kernel().executor().arm(*this);
}

namespace {
template <class Transition>
[[gnu::always_inline]] inline Kernel::Claim claim_by(Waiter waiter, Transition transition) noexcept {
  TaskRecord* task = TaskSlab::find(waiter.index());
  if (task == nullptr) return {false, nullptr};
  const TaskStep step = task->word.apply(transition);
  // One that did not sleep runs, and may have ended by now.
  if (step.made) return {true, step.before.run() == RunState::Idle ? task : nullptr};
  if (exact_executor != nullptr && !task->word.load().done())
    exact_executor->use(task->logical(), Use::Read);  // somebody else was first
  return {false, nullptr};
}
}  // namespace

Kernel::Claim Kernel::claim_only(Waiter waiter, bool by_request) noexcept {
  return claim_by(waiter, [&](TaskWord w) { return task_word::claim(w, waiter.epoch(), by_request); });
}

Kernel::Claim Kernel::claim_granted(Waiter waiter) noexcept {
  return claim_by(waiter, [&](TaskWord w) { return task_word::claim_announced(w, waiter.epoch()); });
}

void Kernel::wake(TaskRecord& sleeper, bool by_request, Origin origin) noexcept {
  Kernel& kernel = sleeper.kernel();
  kernel.use(sleeper, Use::Write);
  kernel.tell({.kind = KernelEventKind::TaskClaimed, .task = &sleeper, .value = 1});
  if (kernel.plants(Defect::WakeLost)) return;
  kernel.executor_->schedule(sleeper, lane_of(sleeper, by_request), origin);
}

bool Kernel::claim(Waiter waiter, bool by_request, Origin origin) noexcept {
  const Claim claim = claim_only(waiter, by_request);
  if (claim.sleeper != nullptr) wake(*claim.sleeper, by_request, origin);
  return claim.won;
}

bool Kernel::wake_joiner(Waiter joiner, Origin origin) noexcept {
  if (plants(Defect::JoinerForgotten)) return false;
  if (claim(joiner, false, origin)) return true;
  // Another that it waits for was faster. For the lab that is a read: had this one been first, it would have woken the joiner.
  if (const TaskRecord* task = TaskSlab::find(joiner.index())) use(*task, Use::Read);
  return false;
}

void Kernel::report_checkpoint(TaskRecord& task, bool reached) noexcept {
  const Time now = executor_->now();
  const std::int64_t last = extra(task).last_checkpoint.exchange(now.nanos(), std::memory_order_relaxed);
  if (!reached || last < 0) return;
  report_metric(metrics(),
                [&](MetricsProvider& to) { to.checkpoint_interval(task.id(), now - Time::from_nanos(last)); });
}

StepEnd Kernel::run_step(TaskRecord& task) noexcept {
  const TaskWord before = task.word.load();
  QUIESCE_ASSERT(before.run() == RunState::Active, "a task that is dequeued was queued");
  RegionRecord& region = *task.region;
  task.steps.store(task.steps.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  task.cooperative_left = poll_budget_;
  if (region.quota != nullptr && task.role != TaskRole::Runner && task.role != TaskRole::Driver)
    count_polls(region, 1);
  if (before.masked() && !task.extra.is_null()) count_masked_steps(task, 1);
  ThreadContext& here = thread_context;
  TaskRecord* outer = here.running;
  here.running = &task;
  if (config_.exact) executor_->happened({.kind = KernelEventKind::StepBegun, .task = &task});
  StepEnd end = task.leaf->step_ops->step(task, before);
  if (config_.exact && end != StepEnd::Done)
    executor_->happened({.kind = KernelEventKind::StepEnded, .task = &task});
  here.running = outer;
  if (end == StepEnd::Yielded) executor_->schedule(task, lane_of(task, false), Origin::Yield);
  return end;
}

/// The end of a child of which its region has been told what it must know, and nobody has to be told but its joiner. The record is out of its list before it is Done, since its
/// joiner may free it from then on; its count goes after that, both under one lock.
[[gnu::always_inline]] inline void Kernel::complete_child(TaskRecord& task, RegionRecord& region,
                                                          Origin wakes) noexcept {
  const std::uint32_t generation = task.generation.load(std::memory_order_relaxed);
  TaskStep done;
  std::uint32_t leaving = 1;  // counts, its own among them
  {
    RegionShard& shard = task.shard();
    const KeptLock<>::Hold hold(shard.lock, thread_context.locker);
    unlink(shard.members, task);
    task.membership = Membership::None;
    done = task.word.apply([](TaskWord w) { return task_word::complete(w); });
    // What nobody will take dies here, and before the region may close.
    const bool dies = done.before.has(TaskWord::dropped_bit) && !task.result_ops->trivial;
    if (!dies && may_leave_spares(region)) {
      ++shard.spare;
      leaving = 0;
    }
    leaving += last_spares(region, shard);
  }
  QUIESCE_ASSERT(done.made, "a task completes once, and waits for nothing then");
  Waiter joiner;
  if (done.before.has(TaskWord::joiner_bit)) {
    // Of a later life when the joiner has been cancelled, has left, and the record has been freed: that one is not ours to wake.
    joiner = Waiter{task.joiner.load(std::memory_order_acquire)};
    if (task.generation.load(std::memory_order_acquire) != generation) joiner = Waiter{};
  }
  if (done.before.has(TaskWord::dropped_bit)) drop_reference(task);
  if (leaving > 0) release_live(region, leaving);
  if (joiner) wake_joiner(joiner, wakes);
}

inline void Kernel::count_completed(const TaskRecord& task, std::uint32_t self) noexcept {
  count(&CountShard::tasks_completed, self);
  if (default_registry_ != nullptr) [[unlikely]]
    default_registry_->release_task(task.id());
}

void Kernel::complete(TaskRecord& task, OutcomeKind kind) noexcept {
  const bool plain = task.role == TaskRole::Child && !watches_ && task.extra.is_null();
  if (kind == OutcomeKind::Ok && plain) [[likely]] {
    const std::uint32_t self = worker_of(*executor_);
    count_completed(task, self);
    return complete_child(task, *task.region, Origin::Handoff);
  }
  if (kind == OutcomeKind::Cancelled && plain && task.word.load().requested())
    return complete_as_requested(task, *task.region);
  complete_otherwise(task, kind);
}

/// What note_completion does with it, and before it ends.
void Kernel::complete_as_requested(TaskRecord& task, RegionRecord& region) noexcept {
  const std::uint32_t self = worker_of(*executor_);
  count_completed(task, self);
  if (!cancelled_by_own(region, task)) note_cancelled(region);
  complete_child(task, region, Origin::Wake);
}

void Kernel::complete_otherwise(TaskRecord& task, OutcomeKind kind) noexcept {
  const bool plain = task.extra.is_null();
  if (!plain) stop_mask_timer(task);    // a finalizer's mask has no guard
  if (task.role == TaskRole::Driver) {  // in no count or list; the Stepper takes its result
    task.word.apply([](TaskWord w) { return task_word::complete(w); });
    return;
  }
  RegionRecord& region = *task.region;
  use(task, Use::Write);
  use_handle(task);
  if (kind != OutcomeKind::Ok || !plain) use(region, Use::Write);
  use(region, Use::Update);
  tell({.kind = KernelEventKind::TaskEnded,
        .task = &task,
        .region = &region,
        .value = static_cast<std::uint64_t>(kind)});
  count(&CountShard::tasks_completed, worker_of(*executor_));
  report_metric(metrics(), [&](MetricsProvider& to) {
    to.task_completed(task.id(), kind, executor_->now() - task.extra.load()->created_at);
  });
  if (Registry* registry = plain ? default_registry_ : capabilities_of(task)->set.registry.get())
    registry->release_task(task.id());
  if (plain && kind == OutcomeKind::Ok && task.role == TaskRole::Child)
    return complete_child(task, region, Origin::Handoff);

  task.references.add();  // it is looked at beyond its end
  unlink_member(task);
  const TaskRole role = task.role;
  if (role == TaskRole::Body) complete_body(region, task, kind);
  // A panic goes to the policy whoever joins: copied before a joiner may take it.
  Outcome<> panic = Outcome<>::ok();
  if (role == TaskRole::Child && kind == OutcomeKind::Panicked) panic = task.result_ops->failure(task);
  const bool own = role == TaskRole::Child && kind == OutcomeKind::Cancelled && cancelled_by_own(region, task);
  TaskStep done = task.word.apply([](TaskWord w) { return task_word::complete(w); });
  QUIESCE_ASSERT(done.made, "a task completes once, and waits for nothing then");
  if (!task.extra.is_null()) leave_obligations(task);  // L2
  if (role == TaskRole::Fork) {
    auto* entry = reinterpret_cast<ForkEntry*>(task.joiner.load(std::memory_order_relaxed));
    return end_fork(task, *entry, kind);
  }
  bool seen = false;
  if (done.before.has(TaskWord::joiner_bit))
    seen = wake_joiner(Waiter{task.joiner.load(std::memory_order_acquire)}, Origin::Wake);
  if (role == TaskRole::Child && kind == OutcomeKind::Panicked) {
    report_failure(region, policy_of(task), task, std::move(panic));
  } else if (role == TaskRole::Child) {
    note_completion(region, task, kind, {.requested = done.before.requested(), .by_own = own, .seen = seen});
  }
  if (done.before.has(TaskWord::dropped_bit)) drop_reference(task);
  drop_reference(task);
  if (role == TaskRole::Body) release_body(region);
  if (role == TaskRole::Child) release_live(region);
}

// R7. An Err (or a Cancelled that nobody asked for) waits for its handle; a panic has gone to the policy at once.
void Kernel::note_completion(RegionRecord& region, TaskRecord& task, OutcomeKind kind,
                             Completion how) noexcept {
  if (kind == OutcomeKind::Ok) return;
  if (kind == OutcomeKind::Cancelled && how.requested) {
    if (!how.by_own) note_cancelled(region);
    return;
  }
  if (how.seen) return;
  {
    // A handle that is dropped meanwhile says so in the word, then looks at the list under this lock: one of the two sees the other.
    std::scoped_lock hold(region.lock);
    if (!task.word.load().has(TaskWord::dropped_bit)) {
      task.references.add();  // the list's
      link_front(region.failed, task);
      task.membership = Membership::Failed;
      return;
    }
  }
  if (task.word.apply([](TaskWord w) { return task_word::take(w); })) {
    report_failure(region, policy_of(task), task, task.result_ops->failure(task));
  }
}

void Kernel::unlink_failed(TaskRecord& task) noexcept {
  RegionRecord& region = *task.region;  // never unmapped; the flag says whether the list is this life's
  {
    std::scoped_lock hold(region.lock);
    if (task.membership != Membership::Failed) return;
    unlink(region.failed, task);
    task.membership = Membership::None;
  }
  drop_reference(task);
}

void Kernel::drop_handle(TaskRecord& task) noexcept {
  if (!task.word.load().has(TaskWord::taken_bit)) [[unlikely]]
    return drop_unjoined(task);
  // Joined: nothing is left to show, and nobody else writes the word.
  task.word.apply_alone([](TaskWord w) { return task_word::drop_handle(w); });
  drop_reference(task);
}

void Kernel::drop_unjoined(TaskRecord& task) noexcept {
  if (exact_executor != nullptr) exact_executor->use_handle(task.logical());
  TaskStep dropped = task.word.apply([](TaskWord w) { return task_word::drop_handle(w); });
  if (!dropped.before.done()) return;  // its completion will see it
  if (!dropped.before.has(TaskWord::taken_bit)) {
    // Done and unjoined: what it would have shown goes to the policy (R7). If it is not in the region's list, then its completion
    // has yet to look whether the handle is there, or the sweep has it.
    RegionRecord& region = *task.region;
    bool held = false;
    {
      std::scoped_lock hold(region.lock);
      if (task.membership ==
          Membership::
              Failed) {  // the region is in this life; a count of its own keeps it from ending meanwhile
        const Gate gate = region.word.add_one().gate();
        held = gate == Gate::Open || gate == Gate::Closing;
        if (!held) region.word.sub_one();  // the sweep is under way
      }
    }
    if (held) {
      Kernel& kernel = task.kernel();
      if (task.word.apply([](TaskWord w) { return task_word::take(w); })) {
        kernel.unlink_failed(task);
        kernel.report_failure(region, kernel.policy_of(task), task, task.result_ops->failure(task));
      }
      kernel.release_live(region);
    }
  }
  drop_reference(task);
}

void Kernel::drop_reference(TaskRecord& task) noexcept {
  // Only the timer of a mask tries to keep a record that it has no reference of, and it finds the record by its extra.
  const bool is_alone = task.references.is_last() && task.extra.is_null();
  if (is_alone || task.references.drop()) free_record(task);
}

void Kernel::free_record(TaskRecord& task) noexcept {
  if (task.result_ops != nullptr) task.result_ops->destroy(task);
  task.result_ops = nullptr;
  if (!task.extra.is_null()) [[unlikely]]
    forget_rare(task);
  task.path.clear();
  // Ids and contexts of this life are stale from here on.
  task.generation.store(task.generation.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  task.word.apply_alone([](TaskWord w) { return task_word::release(w); });
  TaskSlab::free(&task);
}

}  // namespace quiesce::detail
