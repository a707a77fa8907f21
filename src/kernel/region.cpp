// A region from its opening to the reclaiming of its record.
#include <algorithm>
#include <mutex>
#include <new>
#include <sstream>
#include <utility>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce::detail {
namespace {

constexpr std::uint32_t no_limit = ~0u;

void post_timer_check(RegionRecord& region) noexcept {
  if (region.timer_check.try_post()) region.kernel->executor().post(region.timer_check);
}

/// Looks again at the timers of whatever life the record is in: harmless when the life it was posted for has gone.
void run_timer_check(WorkItem& item) noexcept {
  auto* region =
      reinterpret_cast<RegionRecord*>(reinterpret_cast<char*>(&item) - offsetof(RegionRecord, timer_check));
  Kernel* kernel;
  RegionRef ref{region, region->word.load().generation()};
  bool deadline, escalation, warning, notice;
  Time now;
  {
    std::scoped_lock hold(region->lock);
    if (!ref.alive()) return;
    kernel = region->kernel;
    now = kernel->executor().now();
    deadline = region->deadline_armed && region->deadline_timer.deadline <= now;
    escalation = region->escalation_armed && region->escalation_timer.deadline <= now;
    warning = region->warning_armed && region->warning_timer.deadline <= now;
    notice = region->notice_armed && region->notice_timer.deadline <= now;
    // What is due may not have fired: it was another timer that asked for this look.
    const auto spend = [&](bool due, bool& armed, TimerEntry& timer) {
      if (!due) return;
      armed = false;
      kernel->executor().disarm(timer);
    };
    spend(notice, region->notice_armed, region->notice_timer);
    spend(warning, region->warning_armed, region->warning_timer);
    spend(deadline, region->deadline_armed, region->deadline_timer);
    spend(escalation, region->escalation_armed, region->escalation_timer);
  }
  if (notice && !deadline) {
    report_metric(kernel->metrics(),
                  [&](MetricsProvider& to) { to.deadline_warning(ref.id(), *region->budget.deadline - now); });
  }
  if (deadline) {
    report_metric(kernel->metrics(), [&](MetricsProvider& to) { to.deadline_exceeded(ref.id()); });
    kernel->cancel_region(ref, CancelReason::deadline("the deadline of the region has passed"), Whose::Outside);
  }
  if (escalation) kernel->escalate_region(ref);
  if (warning) kernel->warn_slow_close(ref);
}

void deadline_fired(TimerEntry& entry) noexcept {
  post_timer_check(*reinterpret_cast<RegionRecord*>(reinterpret_cast<char*>(&entry) -
                                                    offsetof(RegionRecord, deadline_timer)));
}
void warning_fired(TimerEntry& entry) noexcept {
  post_timer_check(*reinterpret_cast<RegionRecord*>(reinterpret_cast<char*>(&entry) -
                                                    offsetof(RegionRecord, warning_timer)));
}
void notice_fired(TimerEntry& entry) noexcept {
  post_timer_check(
      *reinterpret_cast<RegionRecord*>(reinterpret_cast<char*>(&entry) - offsetof(RegionRecord, notice_timer)));
}
void escalation_fired(TimerEntry& entry) noexcept {
  post_timer_check(*reinterpret_cast<RegionRecord*>(reinterpret_cast<char*>(&entry) -
                                                    offsetof(RegionRecord, escalation_timer)));
}

void set_quotas(RegionRecord& region, const RegionRecord* parent, const Budget& wanted) {
  region.counts_polls = wanted.poll_quota != Budget::infinite().poll_quota;
  region.counts_cost = wanted.cost_quota.has_value();
  region.polls_left.store(region.counts_polls ? wanted.poll_quota : 0);
  region.cost_left.store(region.counts_cost ? static_cast<std::int64_t>(*wanted.cost_quota) : 0);
  const bool counts = region.counts_polls || region.counts_cost || region.counts_mask;
  region.quota = counts ? &region : (parent ? parent->quota : nullptr);
}

/// C11: what is left of a mask's clean-up budget takes the place of what a shielded region would inherit.
Budget mask_budget_left(TaskExtra& rare) {
  std::scoped_lock hold(rare.lock);
  if (!rare.mask_timer_armed) return Budget::infinite();
  const std::uint32_t used = rare.mask_steps_used.load(), allowed = rare.mask_steps_max.load();
  return Budget::infinite()
      .with_deadline(rare.mask_timer.deadline)
      .with_poll_quota(allowed - std::min(used, allowed));
}

}  // namespace

SpawnError Kernel::refuse(RegionRef region) const {
  RegionRecord& record = *region.record;
  std::scoped_lock hold(record.lock);
  if (!region.alive()) return SpawnError(SpawnErrorKind::RegionNotFound, region.id());
  SpawnError error(SpawnErrorKind::RegionClosed, region.id(), record.path.to_string());
  if (record.reason) return std::move(error).with_reason(*record.reason);
  return error;
}

std::expected<RegionRef, SpawnError> Kernel::open_region(const RegionBirth& birth) {
  RegionRecord* parent = birth.parent.record;
  if (parent == nullptr && !accepting())
    return std::unexpected(SpawnError(SpawnErrorKind::RuntimeShutdown, RegionId{}));
  if (parent != nullptr && refuses(Refusal::Allocation)) throw std::bad_alloc();
  if (parent != nullptr && refuses(Refusal::Region)) {
    const std::uint32_t live = parent->child_count.load();
    return std::unexpected(SpawnError::at_capacity(birth.parent.id(), parent->path.to_string(),
                                                   "max_children (injected)", live, live));
  }
  if (parent != nullptr) {
    const bool limited = birth.limits.max_children || parent->limits.max_children;
    RegionWord before = parent->word.add_one();
    // A running task of the region holds its life: it may open a child in any state but Closed (R3).
    const bool holder = birth.opener != nullptr && birth.opener->region == parent;
    const bool admitted = holder ? region_word::admits_holder(before, birth.parent.generation)
                                 : region_word::admits(before, birth.parent.generation);
    use(*parent, limited ? Use::Write : admitted ? Use::Enter : Use::Read);
    if (!admitted) {
      SpawnError error = refuse(birth.parent);
      release_live(*parent);
      return std::unexpected(std::move(error));
    }
  }
  if (parent != nullptr) {
    std::optional<SpawnError> too_many;
    {
      std::scoped_lock hold(parent->lock);
      const std::uint32_t live = parent->child_count.load();
      if (parent->limits.max_children && live >= *parent->limits.max_children) {
        too_many = SpawnError::at_capacity(birth.parent.id(), parent->path.to_string(), "max_children",
                                           *parent->limits.max_children, live);
      } else {
        parent->child_count.store(live + 1);
      }
    }
    if (too_many) {
      release_live(*parent);
      return std::unexpected(std::move(*too_many));
    }
  }
  RegionRecord* region = RegionSlab::allocate();
  if (region == nullptr) {
    if (parent != nullptr) {
      parent->child_count.fetch_sub(1);
      release_live(*parent);
    }
    throw std::bad_alloc();
  }
  const std::uint32_t ordinal = birth.opener != nullptr
                                    ? birth.opener->ordinals.fetch_add(1, std::memory_order_relaxed)
                                    : (parent == nullptr ? next_root_ordinal() : parent->ordinals.fetch_add(1));
  RegionStep born;
  {
    std::scoped_lock hold(region->lock);
    region->kernel = this;
    region->parent = parent;
    region->parent_generation = birth.parent.generation;
    region->opener = birth.opener;
    region->path = birth.opener ? birth.opener->path.child(ordinal)
                                : (parent ? parent->path.child(ordinal) : LogicalPath::root(ordinal));
    region->logical = region->path.id();
    region->policy = birth.policy;
    region->policy_instance = birth.policy_instance;
    region->created_at = executor_->now();
    region->bounded = birth.bounded;
    region->cleanup = birth.cleanup ? birth.cleanup : (parent ? parent->cleanup : std::nullopt);
    region->limits = birth.limits;
    region->max_tasks.store(birth.limits.max_tasks.value_or(no_limit));
    region->result = birth.result;
    region->held = birth.held;
    region->body_live.store(true);
    region->ordinals.store(0);
    region->body_ended = birth.held;
    region->owed.store(1);
    region->budget = parent ? meet(parent->budget, birth.budget) : birth.budget;
    const TaskWord opener_word = birth.opener != nullptr ? birth.opener->word.load() : TaskWord{};
    region->shielded = region->counts_mask = opener_word.masked() && !opener_word.escalated();
    if (region->shielded) region->budget = meet(birth.budget, mask_budget_left(extra(*birth.opener)));
    region->timed_until = region->budget.deadline.value_or(Time::max());
    set_quotas(*region, parent, birth.budget);
    region->timer_check.run = run_timer_check;
    region->deadline_timer.fire = deadline_fired;
    region->escalation_timer.fire = escalation_fired;
    region->warning_timer.fire = warning_fired;
    region->notice_timer.fire = notice_fired;
    born = region->word.apply([](RegionWord w) { return region_word::birth(w); });
  }
  QUIESCE_ASSERT(born.made, "a region record from the free stock is Closed");
  RegionRef ref{region, region->word.load().generation()};
  if (parent != nullptr) {
    std::scoped_lock hold(parent->lock);
    region->sibling_prev = nullptr;
    region->sibling_next = parent->children;
    if (parent->children != nullptr) parent->children->sibling_prev = region;
    parent->children = region;
  }
  if (parent == nullptr) {
    std::scoped_lock hold(mutex_);
    roots_.push_back(ref);
  }
  if (birth.opener != nullptr) {
    TaskExtra& rare = extra(*birth.opener);
    std::scoped_lock hold(rare.lock);
    region->opened_next = rare.opened;
    rare.opened = region;
  }
  regions_opened_.fetch_add(1, std::memory_order_relaxed);
  if (parent != nullptr && plants(Defect::ChildRegionNotCounted)) release_live(*parent);
  report_metric(metrics(), [&](MetricsProvider& to) {
    to.region_created(ref.id(), parent ? std::optional(birth.parent.id()) : std::nullopt);
  });
  const std::optional<Time>& deadline = region->budget.deadline;
  // One that is inherited, from above or from the mask, ends the region through its parent or its shield.
  if (deadline && birth.budget.deadline == deadline &&
      (parent == nullptr || parent->budget.deadline != deadline) && !plants(Defect::DeadlineNotArmed)) {
    std::scoped_lock hold(region->lock);
    region->deadline_timer.deadline = *deadline;
    region->deadline_armed = true;
    executor_->arm(region->deadline_timer);
  }
  if (region->deadline_armed && metrics() != nullptr) watch_deadline(*region);
  // C4: linked, then looked at again; R3: opened by a task that a request has reached.
  if (birth.opener != nullptr && !birth.opener->word.load().masked()) lift_shield(ref, std::nullopt);
  bool shielded, escalated = false;
  std::optional<CancelReason> why;
  {
    std::scoped_lock hold(region->lock);
    shielded = region->shielded;
  }
  if (shielded) {
    tell({.kind = KernelEventKind::RegionOpened, .task = birth.opener, .region = region, .value = 1});
    return ref;
  }
  if (parent != nullptr && parent->word.load().cancelled()) {
    std::scoped_lock hold(parent->lock);
    why = parent->reason;
    escalated = parent->escalated;
  } else if (birth.opener != nullptr && birth.opener->word.load().requested()) {
    why = reason_of(*birth.opener);
  }
  if (why) inherit_request(ref, *why);
  if (escalated) escalate_region(ref);
  tell({.kind = KernelEventKind::RegionOpened, .task = birth.opener, .region = region});
  return ref;
}

// A provider hears of a deadline when it is set, and again when a tenth of the time is left.
void Kernel::watch_deadline(RegionRecord& region) noexcept {
  const Time deadline = *region.budget.deadline;
  report_metric(metrics(), [&](MetricsProvider& to) { to.deadline_set(region.id(), deadline); });
  const Time now = executor_->now();
  if (deadline <= now) return;
  std::scoped_lock hold(region.lock);
  region.notice_timer.deadline = deadline - (deadline - now) / 10;
  region.notice_armed = true;
  executor_->arm(region.notice_timer);
}

void Kernel::report_close(const RegionRecord& region, bool has_own_deadline) noexcept {
  const Time now = executor_->now();
  const RegionId id = region.id();
  if (region.reason)
    report_metric(metrics(), [&](MetricsProvider& to) { to.drain_completed(id, now - region.requested_at); });
  if (has_own_deadline) {
    const Duration left = *region.budget.deadline - now;
    report_metric(metrics(), [&](MetricsProvider& to) {
      left < Duration::zero() ? to.deadline_violation(id, -left) : to.deadline_remaining(id, left);
    });
  }
  report_metric(metrics(), [&](MetricsProvider& to) { to.region_closed(id, now - region.created_at); });
}

void Kernel::begin_close(RegionRef region) noexcept {
  RegionRecord& record = *region.record;
  use(record, Use::Write);
  bool drop_hold = false;
  {
    std::scoped_lock hold(record.lock);
    if (!region.alive()) return;
    if (record.word.apply([&](RegionWord w) { return region_word::begin_close(w, region.generation); })) {
      note_closing(record);
    }
    std::swap(drop_hold, record.held);
  }
  if (drop_hold) release_body(record);
}

// Under the region's lock, when it leaves Open.
void Kernel::note_closing(RegionRecord& region) noexcept {
  region.close_begun = executor_->now();
  if (!config_.close_warning || config_.log == nullptr || region.warning_armed) return;
  region.warning_armed = true;
  region.warning_timer.deadline = region.close_begun + *config_.close_warning;
  executor_->arm(region.warning_timer);
}

void Kernel::release_live(RegionRecord& region, std::uint32_t count) noexcept {
  RegionRecord* record = &region;
  for (; record != nullptr;
       count = 1) {  // up the tree, never by recursion: regions nest a hundred thousand deep
    RegionWord before = record->word.sub(count);
    if (!region_word::reached_zero(before, count)) return;
    use(*record, Use::Write);  // it matters who is the last, whatever comes next
    if (!record->word.apply([&](RegionWord w) { return region_word::finalize(w, before.generation()); }))
      return;
    if (!enter_finalizing(*record)) return;
    record = close_region(*record);
    if (record != nullptr) use(*record, Use::Update);
  }
}

void Kernel::release_body(RegionRecord& region) noexcept {
  region.body_live.store(false);  // from here on no shard takes or leaves a spare (region_word.hpp, 4)
  std::uint32_t count = 1;
  for (RegionShard& shard : region.shards) {
    const KeptLock<>::Hold hold(shard.lock, thread_context.locker);
    count += std::exchange(shard.spare, 0);
  }
  release_live(region, count);
}

void Kernel::release_owed(RegionRecord& region) noexcept {
  if (region.owed.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (RegionRecord* parent = close_region(region)) release_live(*parent);
}

// Failed tasks that nobody joined: their Err is taken here, for the region, if no joiner took it before (R7).
void Kernel::sweep_failures(RegionRecord& region) noexcept {
  for (;;) {
    TaskRecord* task;
    {
      std::scoped_lock hold(region.lock);
      task = first_member(region.failed);
      if (task == nullptr) return;
      unlink(region.failed, *task);
      task->membership = Membership::None;
    }
    if (task->word.apply([](TaskWord w) { return task_word::take(w); })) {
      report_failure(region, policy_of(*task), *task, task->result_ops->failure(*task));
    }
    drop_reference(*task);
  }
}

bool Kernel::cancelled_by_own(const RegionRecord& region, const TaskRecord& task) noexcept {
  return own_cancellation(task.result_ops->cancel_reason(task), region.id());
}

void Kernel::note_cancelled(RegionRecord& region) noexcept {
  // Of a hundred thousand that end with the same reason only the first locks.
  if (region.cancel_is_noted.load(std::memory_order_acquire)) return;
  std::scoped_lock hold(region.lock);
  if (!region.outside) return;
  region.cancelled = region.outside;
  region.cancel_is_noted.store(true, std::memory_order_release);
}

void Kernel::report_failure(RegionRecord& region, const PolicyOps* policy, const TaskRecord& task,
                            Outcome<> failure) noexcept {
  ReportedFailure reported{policy != nullptr ? policy : region.policy, task.id(), task.path.to_string(),
                           std::move(failure)};
  {
    // The policy is asked for one failure at a time: whoever comes meanwhile leaves his with the one who asks. That one holds a
    // count of the region, or is its finalizer phase, so the region does not end before the last has been asked for.
    std::scoped_lock hold(region.lock);
    if (region.policy_busy) {
      region.reported.push_back(std::move(reported));
      return;
    }
    region.policy_busy = true;
  }
  ask_policy(region, std::move(reported));
  for (;;) {
    std::vector<ReportedFailure> left_here;
    {
      std::scoped_lock hold(region.lock);
      if (region.reported.empty()) {
        region.policy_busy = false;
        return;
      }
      left_here.swap(region.reported);
    }
    for (ReportedFailure& next : left_here) ask_policy(region, std::move(next));
  }
}

// The policy is user code and runs under no lock; nobody else touches `failures` meanwhile.
void Kernel::ask_policy(RegionRecord& region, ReportedFailure reported) noexcept {
  const PolicyOps* policy = reported.policy;
  const Outcome<>& failure = reported.failure;
  void* instance =
      policy == region.policy && region.policy_instance ? region.policy_instance : policy->default_instance;
  PolicyAction action = PolicyAction::CancelRegion;
  std::ostringstream text;
  text << "task " << reported.path << " failed: " << failure;
  Outcome<> so_far = Outcome<>::ok();
  {
    // Taken out, for of a list with two owners each failure would make a copy.
    std::scoped_lock hold(region.lock);
    so_far = std::exchange(region.failures, Outcome<>::ok());
  }
  try {
    ChildFailure described{reported.task, failure.kind(), Error(ErrorCode::User, text.str()), nullptr,
                           std::nullopt};
    if (failure.is_err()) described.error = failure.error();
    if (failure.is_panicked()) described.exception = failure.panic().exception();
    if (failure.is_cancelled()) described.reason = failure.cancel_reason();
    action = policy->on_child_failure(instance, described);
    if (policy->joins) {
      policy->aggregate(instance, so_far, Outcome<>(failure));
    } else {  // one that throws half-way shall not lose what was there
      Outcome<> aggregated = so_far;
      policy->aggregate(instance, aggregated, Outcome<>(failure));
      so_far = std::move(aggregated);
    }
  } catch (...) {
    PanicPayload panic = note_panic(
        region, PanicLocation(PanicLocation::RegionCleanup{region.id(), CleanupPhase::StateTransition}),
        std::current_exception());
    so_far = std::move(so_far).join(failure).join(Outcome<>::panicked(std::move(panic)));
    action = PolicyAction::CancelRegion;
  }
  {
    std::scoped_lock hold(region.lock);
    region.failures = std::move(so_far);
  }
  if (action == PolicyAction::CancelRegion) {
    CancelReason reason = CancelReason::fail_fast(text.str());
    if (failure.is_cancelled()) reason = reason.with_cause(failure.cancel_reason());
    cancel_region({&region, region.word.load().generation()}, reason, Whose::Own);
  }
}

// R5. The body's own outcome stays in its record for whoever awaits the region; here it only reaches its siblings.
void Kernel::complete_body(RegionRecord& region, TaskRecord& task, OutcomeKind kind) noexcept {
  {
    std::scoped_lock hold(region.lock);
    region.body_ended = true;
    if (kind != OutcomeKind::Ok) region.body_failed_first = region.failures.is_ok() && !region.policy_busy;
  }
  if (kind == OutcomeKind::Ok) return;
  if (kind == OutcomeKind::Cancelled && !cancelled_by_own(region, task)) note_cancelled(region);
  RegionRef ref{&region, region.word.load().generation()};
  Outcome<> failure = task.result_ops->failure(task);
  if (kind == OutcomeKind::Cancelled) {
    if (!task.word.load().requested()) cancel_region(ref, failure.cancel_reason(), Whose::Own);
    return;
  }
  std::ostringstream text;
  text << "the body of region " << region.path << " failed: " << failure;
  cancel_region(ref, CancelReason::fail_fast(text.str()), Whose::Own);
}

RegionRecord* Kernel::close_region(RegionRecord& region) noexcept {
  QUIESCE_ASSERT(region.word.load().gate() == Gate::Finalizing, "only a finalizing region closes");
  use(region, Use::Write);
  tell({.kind = KernelEventKind::RegionClosed, .region = &region});
  bool deadline = false, escalation = false, warning = false, notice = false;
  {
    std::scoped_lock hold(region.lock);
    std::swap(notice, region.notice_armed);
    std::swap(deadline, region.deadline_armed);
    std::swap(escalation, region.escalation_armed);
    std::swap(warning, region.warning_armed);
  }
  if (deadline) executor_->disarm(region.deadline_timer);
  if (escalation) executor_->disarm(region.escalation_timer);
  if (warning) executor_->disarm(region.warning_timer);
  if (notice) executor_->disarm(region.notice_timer);
  if (metrics() != nullptr) {
    const std::optional<Time>& limit = region.budget.deadline;
    report_close(region, limit && (region.parent == nullptr || region.parent->budget.deadline != limit));
  }
  const RegionId id = region.id();
  RegionRecord* parent = region.parent;
  TaskRecord* opener = region.opener;
  RegionResult* result;
  std::vector<HeapNode*> slots;
  bool cancelled;
  {
    std::scoped_lock hold(region.lock);
    result = region.result;
    if (result != nullptr) {
      result->id = id;
      result->failures = std::move(region.failures);
      result->cancelled = std::move(region.cancelled);
      result->body_failed_first = region.body_failed_first;
      result->reason = region.reason;
    }
    cancelled = region.cancelled.has_value() || (result != nullptr && result->cancelled);
    region.word.apply([](RegionWord w) { return region_word::close(w); });
    region.failures = Outcome<>::ok();
    region.cancelled.reset();
    region.cancel_is_noted.store(false, std::memory_order_relaxed);
    region.reason.reset();
    region.outside.reset();
    region.pending.reset();
    region.shielded = region.body_ended = region.escalated = region.body_failed_first = region.held =
        region.leaks = false;
    region.result = nullptr;
    region.opener = nullptr;
    region.finalizer_count = 0;
    slots.swap(region.heap_slots);
    region.heap_bytes = 0;
    region.path = LogicalPath();
  }
  isolator_->forget_region(id);
  if (parent != nullptr) {
    std::scoped_lock hold(parent->lock);
    if (region.sibling_prev != nullptr) {
      region.sibling_prev->sibling_next = region.sibling_next;
    } else {
      parent->children = region.sibling_next;
    }
    if (region.sibling_next != nullptr) region.sibling_next->sibling_prev = region.sibling_prev;
    parent->child_count.fetch_sub(1);
    if (cancelled && parent->outside) parent->cancelled = parent->outside;  // R10: a child is a region too
  } else {
    std::scoped_lock hold(mutex_);
    std::erase_if(roots_, [&](const RegionRef& root) { return root.record == &region; });
  }
  if (opener != nullptr) {
    TaskExtra& rare = *opener->extra.load();
    std::scoped_lock hold(rare.lock);
    RegionRecord** place = &rare.opened;
    while (*place != &region) place = &(*place)->opened_next;
    *place = region.opened_next;
  }
  region.parent = nullptr;
  regions_closed_.fetch_add(1, std::memory_order_relaxed);
  RegionSlab::free(&region);
  if (result != nullptr) {
    // After this nothing of the region or of its result may be touched: whoever waited may be gone.
    if (result->closed != nullptr) {
      result->closed(*result);
    } else {
      claim(result->waiter);
    }
  }
  return parent;
}

}  // namespace quiesce::detail
