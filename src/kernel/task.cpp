// A task from admission to the end of its record.
#include <algorithm>
#include <mutex>
#include <new>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/obligations.hpp"

namespace quiesce::detail {
namespace {

constinit thread_local TaskRecord* running_task = nullptr;

/// The next ordinal of a parent: its own steps need no read-modify-write.
std::uint32_t next_ordinal(TaskRecord& parent) {
  if (running_task != &parent) return parent.ordinals.fetch_add(1, std::memory_order_relaxed);
  std::uint32_t ordinal = parent.ordinals.load(std::memory_order_relaxed);
  parent.ordinals.store(ordinal + 1, std::memory_order_relaxed);
  return ordinal;
}

void name_child(TaskRecord& task, TaskRecord* parent, RegionRecord& region) {
  const std::uint32_t ordinal =
      parent == nullptr ? region.ordinals.fetch_add(1, std::memory_order_relaxed) : next_ordinal(*parent);
  task.path = parent == nullptr ? region.path.child(ordinal) : parent->path.child(ordinal);
  task.logical = child(parent == nullptr ? region.logical : parent->logical, ordinal);
}

void forget_rare(TaskRecord& task) noexcept {
  TaskExtra* extra = task.extra.exchange(nullptr, std::memory_order_acq_rel);
  if (extra == nullptr) return;
  {
    std::scoped_lock hold(extra->lock);
    extra->owner = nullptr;
    extra->reason.reset();
    extra->own_mask_budget.reset();
    extra->torn.reset();
    extra->last_checkpoint.store(-1, std::memory_order_relaxed);
    extra->opened = nullptr;
    extra->mask_depth = 0;
  }
  ExtraSlab::free(extra);
}

Lane lane_of(const TaskRecord& task, TaskWord word) {
  if (word.has(TaskWord::by_request_bit)) return Lane::Cancel;
  return task.is_timed() ? Lane::Timed : Lane::Ready;
}

}  // namespace

TaskRecord* current_task() noexcept { return running_task; }
void set_current_task(TaskRecord* task) noexcept { running_task = task; }

std::expected<TaskRecord*, SpawnError> Kernel::admit_task(const Birth& birth) {
  RegionRecord& region = *birth.region.record;
  const bool counted = birth.role == TaskRole::Child;
  if (counted) {
    if (!accepting()) return std::unexpected(SpawnError(SpawnErrorKind::RuntimeShutdown, birth.region.id()));
    RegionWord before = region.word.add_one();
    if (!region_word::admits(before, birth.region.generation)) {
      SpawnError error = refuse(birth.region);
      release_live(region);
      return std::unexpected(std::move(error));
    }
    std::uint32_t limit = region.max_tasks.load(std::memory_order_relaxed);
    if (limit != ~0u) {
      std::uint32_t others = region.child_count.load() + (region.body_live.load() ? 1 : 0);
      std::uint32_t live = before.live() - std::min(before.live(), others);
      if (live >= limit) {
        SpawnError error =
            SpawnError::at_capacity(birth.region.id(), region.path.to_string(), "max_tasks", limit, live);
        release_live(region);
        return std::unexpected(std::move(error));
      }
    }
  }
  TaskRecord* task = TaskSlab::allocate();
  if (task == nullptr) {
    if (counted) release_live(region);
    throw std::bad_alloc();
  }
  task->generation.fetch_add(1, std::memory_order_relaxed);
  task->kernel = this;
  task->region = &region;
  task->step = birth.step;
  task->leaf = nullptr;
  task->tier = birth.tier;
  task->role = birth.role;
  task->priority = region.budget.priority;
  task->deadline = region.budget.deadline.value_or(Time::max());
  task->policy = birth.policy;
  task->capabilities = birth.capabilities;
  std::uint32_t worker = executor_->current_worker();
  task->home_worker = static_cast<std::uint16_t>(worker == Executor::no_worker ? 0 : worker);
  task->shard = static_cast<std::uint8_t>(task->home_worker % RegionRecord::shard_count);
  task->references.store(birth.has_handle ? 2 : 1, std::memory_order_relaxed);
  task->joiner.store(0, std::memory_order_relaxed);
  task->wait_data = nullptr;
  task->wait_ops.store(nullptr, std::memory_order_relaxed);
  task->torn = false;
  name_child(*task, birth.parent, region);
  task->ordinals.store(0, std::memory_order_relaxed);
  task->draws = 0;
  task->steps.store(0, std::memory_order_relaxed);
  task->cooperative_left = config_.poll_budget;
  task->created_at = executor_->coarse_now();
  task->result_ops = nullptr;
  new (&task->timer) TimerEntry();
  TaskStep born = task->word.apply_alone([&](TaskWord w) { return task_word::birth(w, birth.has_handle); });
  QUIESCE_ASSERT(born.made, "a record from the free stock is Free");
  return task;
}

void Kernel::abandon_task(TaskRecord& task) noexcept {
  RegionRecord& region = *task.region;
  const bool counted = task.role == TaskRole::Child;
  task.word.apply([](TaskWord w) { return task_word::start_step(w); });
  task.word.apply([](TaskWord w) { return task_word::finalize(w); });
  task.word.apply([](TaskWord w) { return task_word::complete(w); });
  task.references.store(1, std::memory_order_relaxed);
  drop_reference(task);
  if (counted) release_live(region);
}

void Kernel::link_member(TaskRecord& task) noexcept {
  RegionShard& shard = task.region->shards[task.shard];
  std::scoped_lock hold(shard.lock);
  task.member_prev = nullptr;
  task.member_next = shard.members;
  if (shard.members != nullptr) shard.members->member_prev = &task;
  shard.members = &task;
  task.linked = true;
}

void Kernel::unlink_member(TaskRecord& task) noexcept {
  RegionShard& shard = task.region->shards[task.shard];
  std::scoped_lock hold(shard.lock);
  if (!task.linked) return;
  task.linked = false;
  if (task.member_prev != nullptr) {
    task.member_prev->member_next = task.member_next;
  } else {
    shard.members = task.member_next;
  }
  if (task.member_next != nullptr) task.member_next->member_prev = task.member_prev;
}

// A worker adds to a shard of its own without a read-modify-write; everybody else shares the last one.
void Kernel::count(std::atomic<std::uint64_t> CountShard::*counter) noexcept {
  const std::uint32_t worker = executor_->current_worker();
  if (worker < count_shards - 1) {
    std::atomic<std::uint64_t>& mine = count_shards_[worker].*counter;
    mine.store(mine.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  } else {
    (count_shards_[count_shards - 1].*counter).fetch_add(1, std::memory_order_relaxed);
  }
}

void Kernel::forget_job(TaskRecord& task) noexcept {
  std::scoped_lock hold(task.region->shards[task.shard].lock);
  task.wait_data = nullptr;
}

void Kernel::publish(TaskRecord& task) noexcept {
  RegionRecord& region = *task.region;
  count(&CountShard::tasks_spawned);
  report_metric(metrics(), [&](MetricsProvider& to) { to.task_spawned(region.id(), task.id()); });
  link_member(task);
  if (region.word.load().cancelled()) {  // C4: linked, then looked at again
    deliver_request(task);
    deliver_escalation(task);
  }
  if (task.tier != TaskTier::Blocking) schedule(task, Origin::Spawn);
}

void Kernel::schedule(TaskRecord& task, Origin origin) noexcept {
  executor_->schedule(task, lane_of(task, task.word.load()), origin);
}

bool Kernel::claim(Waiter waiter, bool by_request) noexcept {
  TaskRecord* task = TaskSlab::find(waiter.index());
  if (task == nullptr) return false;
  TaskStep step = task->word.apply([&](TaskWord w) { return task_word::claim(w, waiter.epoch(), by_request); });
  if (step.made && step.before.run() == RunState::Idle) task->kernel->schedule(*task, Origin::Wake);
  return step.made;
}

void Kernel::report_checkpoint(TaskRecord& task, bool reached) noexcept {
  const Time now = executor_->now();
  const std::int64_t last = extra(task).last_checkpoint.exchange(now.nanos(), std::memory_order_relaxed);
  if (!reached || last < 0) return;
  report_metric(metrics(),
                [&](MetricsProvider& to) { to.checkpoint_interval(task.id(), now - Time::from_nanos(last)); });
}

StepEnd Kernel::run_step(TaskRecord& task) noexcept {
  TaskStep started = task.word.apply([](TaskWord w) { return task_word::start_step(w); });
  QUIESCE_ASSERT(started.made, "a task that is dequeued is Queued");
  RegionRecord& region = *task.region;
  task.steps.store(task.steps.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  task.cooperative_left = config_.poll_budget;
  if (region.quota != nullptr && task.role != TaskRole::Runner && task.role != TaskRole::Driver)
    count_polls(region, 1);
  if (started.before.masked() && task.extra.load(std::memory_order_relaxed) != nullptr)
    count_masked_steps(task, 1);
  TaskRecord* outer = running_task;
  running_task = &task;
  StepEnd end = task.step(task, started.before);
  running_task = outer;
  if (end == StepEnd::Yielded) {
    TaskStep given = task.word.apply([](TaskWord w) { return task_word::yield(w); });
    QUIESCE_ASSERT(given.made, "only a running task with no wait yields");
    executor_->schedule(task, task.is_timed() ? Lane::Timed : Lane::Ready, Origin::Yield);
  }
  return end;
}

void Kernel::complete(TaskRecord& task) noexcept {
  stop_mask_timer(task);                // a finalizer's mask has no guard
  if (task.role == TaskRole::Driver) {  // in no count or list; the Stepper takes its result
    task.word.apply([](TaskWord w) { return task_word::complete(w); });
    return;
  }
  RegionRecord& region = *task.region;
  const OutcomeKind kind = task.result_ops->kind(task);
  count(&CountShard::tasks_completed);
  report_metric(metrics(), [&](MetricsProvider& to) {
    to.task_completed(task.id(), kind, executor_->now() - task.created_at);
  });
  if (Registry* registry = task.capabilities ? task.capabilities->set.registry.get() : nullptr) {
    registry->release_task(task.id());
  }
  unlink_member(task);
  const TaskRole role = task.role;
  if (role == TaskRole::Body) complete_body(region, task, kind);
  // A panic goes to the policy whoever joins: copied before a joiner may take it.
  Outcome<> panic = Outcome<>::ok();
  if (role == TaskRole::Child && kind == OutcomeKind::Panicked) panic = task.result_ops->failure(task);
  const bool own = role == TaskRole::Child && kind == OutcomeKind::Cancelled && cancelled_by_own(region, task);
  TaskStep done = task.word.apply([](TaskWord w) { return task_word::complete(w); });
  QUIESCE_ASSERT(done.made, "a task completes once, from Finalizing");
  if (task.extra.load(std::memory_order_relaxed) != nullptr) leave_obligations(task);  // L2
  bool seen = false;
  if (done.before.has(TaskWord::joiner_bit)) seen = claim(Waiter{task.joiner.load(std::memory_order_acquire)});
  if (role == TaskRole::Child && kind == OutcomeKind::Panicked) {
    report_failure(region, task.policy, task, std::move(panic));
  } else if (role == TaskRole::Child) {
    note_completion(region, task, kind, {.requested = done.before.requested(), .by_own = own, .seen = seen});
  }
  drop_reference(task);
  if (role == TaskRole::Body) region.body_live.store(false);
  if (role == TaskRole::Body || role == TaskRole::Child) release_live(region);
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
      task.references.fetch_add(1, std::memory_order_relaxed);  // the list's
      task.linked_failed = true;
      task.member_prev = nullptr;
      task.member_next = region.failed;
      if (region.failed != nullptr) region.failed->member_prev = &task;
      region.failed = &task;
      return;
    }
  }
  if (task.word.apply([](TaskWord w) { return task_word::take(w); })) {
    report_failure(region, task.policy, task, task.result_ops->failure(task));
  }
}

void Kernel::unlink_failed(TaskRecord& task) noexcept {
  RegionRecord& region = *task.region;  // never unmapped; the flag says whether the list is this life's
  {
    std::scoped_lock hold(region.lock);
    if (!task.linked_failed) return;
    task.linked_failed = false;
    if (task.member_prev != nullptr) {
      task.member_prev->member_next = task.member_next;
    } else {
      region.failed = task.member_next;
    }
    if (task.member_next != nullptr) task.member_next->member_prev = task.member_prev;
  }
  drop_reference(task);
}

void Kernel::drop_handle(TaskRecord& task) noexcept {
  if (task.word.load().has(TaskWord::taken_bit))
    return drop_reference(task);  // joined: nothing is left to show
  TaskStep dropped = task.word.apply([](TaskWord w) { return task_word::drop_handle(w); });
  if (dropped.made && dropped.before.done() && !dropped.before.has(TaskWord::taken_bit)) {
    // Done and unjoined: what it would have shown goes to the policy (R7). If it is not in the region's list, then its completion
    // has yet to look whether the handle is there, or the sweep has it.
    RegionRecord& region = *task.region;
    bool held = false;
    {
      std::scoped_lock hold(region.lock);
      if (task.linked_failed) {  // the region is in this life; a count of its own keeps it from ending meanwhile
        const Gate gate = region.word.add_one().gate();
        held = gate == Gate::Open || gate == Gate::Closing;
        if (!held) region.word.sub_one();  // the sweep is under way
      }
    }
    if (held) {
      Kernel& kernel = *task.kernel;
      if (task.word.apply([](TaskWord w) { return task_word::take(w); })) {
        kernel.unlink_failed(task);
        kernel.report_failure(region, task.policy, task, task.result_ops->failure(task));
      }
      kernel.release_live(region);
    }
  }
  drop_reference(task);
}

void Kernel::drop_reference(TaskRecord& task) noexcept {
  // The last one needs no read-modify-write: nobody else is left who could change the count.
  if (task.references.load(std::memory_order_acquire) != 1 &&
      task.references.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  if (task.result_ops != nullptr) {
    task.result_ops->destroy(task);
    task.result_ops = nullptr;
  }
  forget_rare(task);
  task.path = LogicalPath();
  task.generation.fetch_add(1,
                            std::memory_order_release);  // ids and contexts of this life are stale from here on
  task.word.apply_alone([](TaskWord w) { return task_word::release(w); });
  TaskSlab::free(&task);
}

}  // namespace quiesce::detail
