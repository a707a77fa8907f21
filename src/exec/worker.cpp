#include "worker.hpp"

#include "quiesce/detail/kernel/thread_context.hpp"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace quiesce::detail {
namespace {

std::int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void raise_to(std::atomic<std::uint64_t>& maximum, std::uint64_t value) {
  if (value > maximum.load(std::memory_order_relaxed)) maximum.store(value, std::memory_order_relaxed);
}

}  // namespace

Worker* this_worker() noexcept { return thread_context.scheduler; }

// ---- the executor ----

ProductionExecutor::ProductionExecutor(Config config)
    : config_(std::move(config)),
      started_ns_(steady_ns()),
      idle_(config_.workers, std::thread::hardware_concurrency()),
      pool_(config_.blocking_min, config_.blocking_max, std::chrono::seconds(10), config_.name) {
  workers_.reserve(config_.workers);
  for (std::uint32_t i = 0; i < config_.workers; ++i) workers_.push_back(std::make_unique<Worker>(*this, i));
}

ProductionExecutor::~ProductionExecutor() { stop(); }

void ProductionExecutor::start(Kernel& kernel) {
  attach(kernel);
  // Asked for by a process of several threads it takes the system milliseconds, which a lock's first owner would have to wait.
  (void)RealPlatform::can_fence_all();
  for (auto& worker : workers_) worker->start();
}

void ProductionExecutor::stop() noexcept {
  pool_.stop();
  stopping_.store(true, std::memory_order_seq_cst);
  for (auto& worker : workers_) wake(*worker);
  for (auto& worker : workers_) worker->join();
}

Time ProductionExecutor::now() const noexcept { return Time::from_nanos(steady_ns() - started_ns_); }

void ProductionExecutor::wake_one() noexcept {
  if (auto worker = idle_.claim_one()) wake(*workers_[*worker]);
}

/// For work that no worker stands behind: who naps counts as searching, but would come late.
void ProductionExecutor::wake_a_napper_or_one() noexcept {
  for (std::size_t i = 0; napping_.load(std::memory_order_seq_cst) > 0 && i < workers_.size(); ++i) {
    if (workers_[i]->is_napping_.load(std::memory_order_seq_cst)) return wake(*workers_[i]);
  }
  wake_one();
}

void ProductionExecutor::schedule_local(TaskRecord& task, bool cancelled) noexcept {
  Worker& home = *workers_[task.home_worker];
  if (thread_context.scheduler == &home) return (cancelled ? home.local_cancel_ : home.local_).push_back(&task);
  (cancelled ? home.inbox_cancel_ : home.inbox_).push(&task);
  if (home.is_napping_.load(std::memory_order_seq_cst) || idle_.claim(home.index_)) wake(home);
}

void ProductionExecutor::schedule(TaskRecord& task, Lane lane, Origin origin) noexcept {
  Worker* worker = thread_context.scheduler;
  const bool is_here = worker != nullptr && &worker->executor_ == this;
  if (!is_here || lane != Lane::Ready || task.tier == TaskTier::Local) return schedule_apart(task, lane);
  if (origin == Origin::Yield) return give_to_others(*worker, task);
  if (TaskRecord* displaced = worker->lifo_.put(&task)) give_to_others(*worker, *displaced);  // protocol, 4
}

[[gnu::noinline]] void ProductionExecutor::give_to_others(Worker& worker, TaskRecord& displaced) noexcept {
  worker.ready_.push(&displaced);
  wake_one();
}

[[gnu::noinline]] void ProductionExecutor::schedule_apart(TaskRecord& task, Lane lane) noexcept {
  if (task.tier == TaskTier::Local) return schedule_local(task, lane == Lane::Cancel);
  Worker* worker = thread_context.scheduler;
  if (worker != nullptr && &worker->executor_ != this) worker = nullptr;
  if (lane == Lane::Timed) {
    std::scoped_lock hold(timed_lock_);
    timed_.push(&task);
    timed_size_.store(timed_.size(), std::memory_order_seq_cst);
  } else if (worker == nullptr) {
    (lane == Lane::Cancel ? injected_cancel_ : injected_).push(&task);
  } else {
    worker->cancel_.push(&task);
  }
  worker == nullptr ? wake_a_napper_or_one() : wake_one();
}

void ProductionExecutor::offered(ForkLane&, ForkEntry&) noexcept { wake_a_napper_or_one(); }

bool ProductionExecutor::others_wait() const noexcept {
  const Worker* worker = thread_context.scheduler;
  return worker == nullptr || worker->others_wait();
}

[[gnu::always_inline]] inline Worker& ProductionExecutor::arming_worker() noexcept {
  Worker* worker = thread_context.scheduler;
  return worker == nullptr || &worker->executor_ != this ? *workers_.front() : *worker;
}

void ProductionExecutor::arm(TimerEntry& entry) noexcept {
  Worker& worker = arming_worker();
  bool too_late;
  {
    const OwnedLock<>::Hold hold(worker.timer_lock_, worker.is_here());
    entry.home = static_cast<std::uint16_t>(worker.index_);
    too_late = worker.arm_in_wheel(entry);
  }
  if (too_late) wake(worker);
}

bool ProductionExecutor::disarm(TimerEntry& entry) noexcept {
  Worker& worker = *workers_[entry.home];
  const OwnedLock<>::Hold hold(worker.timer_lock_, worker.is_here());
  return worker.wheel_.disarm(entry);
}

/// Under the lock of the worker's wheel, and of the one that it comes from. Whether its deadline comes before the worker wakes.
[[gnu::always_inline]] inline bool ProductionExecutor::arm_here(SharedTimerEntry& entry, Time until,
                                                                Worker& here) noexcept {
  entry.set_deadline(until);
  entry.state.store(TimerState::Armed, std::memory_order_release);
  return here.arm_in_wheel(entry);
}

bool ProductionExecutor::rearm(SharedTimerEntry& entry, Time until) noexcept {
  Worker& here = arming_worker();
  bool is_here, was_armed = false, too_late = false;
  {
    const OwnedLock<>::Hold hold(here.timer_lock_, here.is_here());
    is_here = entry.wheel.load(std::memory_order_relaxed) == here.index_;
    if (is_here) [[likely]] {
      was_armed = here.wheel_.disarm(entry);
      too_late = arm_here(entry, until, here);
    }
  }
  if (too_late) wake(here);
  return is_here ? was_armed : bring_and_arm(entry, until, here);
}

/// The lock of the wheel with the lower number first.
bool ProductionExecutor::bring_and_arm(SharedTimerEntry& entry, Time until, Worker& here) noexcept {
  for (;;) {
    const std::uint16_t there = entry.wheel.load(std::memory_order_relaxed);
    if (there == here.index_) return rearm(entry, until);
    Worker& other = *workers_[there];
    bool was_armed, too_late;
    {
      Worker& lower = there < here.index_ ? other : here;
      Worker& upper = there < here.index_ ? here : other;
      const OwnedLock<>::Hold first(lower.timer_lock_, lower.is_here());
      const OwnedLock<>::Hold second(upper.timer_lock_, upper.is_here());
      if (entry.wheel.load(std::memory_order_relaxed) != there) continue;  // somebody else has moved it since
      was_armed = other.wheel_.disarm(entry);
      entry.wheel.store(static_cast<std::uint16_t>(here.index_), std::memory_order_relaxed);
      too_late = arm_here(entry, until, here);
    }
    if (too_late) wake(here);
    return was_armed;
  }
}

// Once more where it has moved between the look and the lock: somebody else has armed it meanwhile.
bool ProductionExecutor::stop(SharedTimerEntry& entry) noexcept {
  for (;;) {
    const std::uint16_t there = entry.wheel.load(std::memory_order_relaxed);
    Worker& worker = *workers_[there];
    const OwnedLock<>::Hold hold(worker.timer_lock_, worker.is_here());
    if (entry.wheel.load(std::memory_order_relaxed) != there) continue;
    if (!worker.wheel_.disarm(entry)) return false;
    entry.state.store(TimerState::Idle, std::memory_order_release);
    return true;
  }
}

std::size_t ProductionExecutor::armed_timers() const noexcept {
  std::size_t count = 0;
  for (const auto& worker : workers_) count += worker->wheel_.size();
  return count;
}

void ProductionExecutor::post(WorkItem& item) noexcept {
  posted_.push(&item);
  wake_a_napper_or_one();
}

void ProductionExecutor::sleep(Worker& worker, std::optional<Time> until, bool watch) {
  if (watch) {
    const Time look = now() + Duration(watch_interval_ns);
    until = until ? std::min(*until, look) : look;
  }
  std::optional<std::int64_t> deadline_ns;
  if (until) deadline_ns = until->nanos() + started_ns_;
  worker.parker_.park(deadline_ns);
}

void ProductionExecutor::wake(Worker& worker) noexcept { worker.parker_.unpark(); }

TaskRecord* ProductionExecutor::pop_timed() noexcept {
  if (timed_size_.load(std::memory_order_seq_cst) == 0) return nullptr;
  std::scoped_lock hold(timed_lock_);
  TaskRecord* task = timed_.pop();
  timed_size_.store(timed_.size(), std::memory_order_seq_cst);
  return task;
}

// ---- a worker ----

Worker::Worker(ProductionExecutor& executor, std::uint32_t index)
    : executor_(executor),
      index_(index),
      victim_(index),
      watched_(executor.config_.workers, 0),
      paces_(executor.config_.workers),
      told_stuck_(executor.config_.workers, 0) {}

void Worker::start() {
  thread_ = std::thread([this] { run(); });
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::enter() {
  thread_context = ThreadContext{.executor = &executor_, .worker = index_, .scheduler = this, .forks = &forks_};
  // In an exact run the lab's threads are fibers of one.
  if (!executor_.kernel_->config().exact) thread_context.locker = take_locker();
  forks_.set_limit(executor_.worker_count() == 1 ? 0 : std::min(ForkShelf<>::places, executor_.worker_count()));
  metrics_ = executor_.kernel_->metrics();
}

void Worker::leave() {
  flush_polls();
  tell_ticks();
  give_back_locker(thread_context.locker);
  thread_context = {};
}

void Worker::run() {
  enter();
  const std::string name = (executor_.config_.name.substr(0, 10) + "-w" + std::to_string(index_)).substr(0, 15);
  pthread_setname_np(pthread_self(), name.c_str());
  while (make_turn()) continue;
  leave();
}

bool Worker::turn() { return make_turn(); }

std::optional<Time> Worker::next_timer() {
  const OwnedLock<>::Hold hold(timer_lock_, is_here());
  return wheel_.next_deadline();
}

inline bool Worker::make_turn() {
  const std::uint64_t tick = counters_.dispatched.load(std::memory_order_relaxed);
  if (tick % ProductionExecutor::clock_interval == 0) {
    const Time now = executor_.now();
    look_up(now);
    fire_timers(now);
  }
  if (!executor_.posted_.empty()) run_posted();
  TaskRecord* task = next_at_once(tick);
  if (task == nullptr) task = next();
  if (task == nullptr) {
    if (executor_.stopping_.load(std::memory_order_seq_cst)) return false;
    park();
    return true;
  }
  if (searching_) {
    searching_ = false;
    if (executor_.idle_.stop_searching()) executor_.wake_one();
  }
  counters_.dispatched.store(tick + 1, std::memory_order_relaxed);
  if (metrics_ == nullptr) {
    executor_.kernel_->run_step(*task);
  } else {
    observed_step(*task);
  }
  return true;
}

void Worker::observed_step(TaskRecord& task) {
  stepping_since_.store(executor_.now().nanos(), std::memory_order_relaxed);
  stepping_.store(&task, std::memory_order_release);
  executor_.kernel_->run_step(task);
  stepping_.store(nullptr, std::memory_order_relaxed);
  if (counters_.dispatched.load(std::memory_order_relaxed) - ticked_ >= ProductionExecutor::tick_interval)
    tell_ticks();
}

void Worker::tell_ticks() {
  if (metrics_ == nullptr) return;
  const std::uint64_t dispatched = counters_.dispatched.load(std::memory_order_relaxed);
  const std::uint64_t fresh = dispatched - std::exchange(ticked_, dispatched);
  if (fresh > 0) report_metric(metrics_, [&](MetricsProvider& to) { to.scheduler_tick(index_, fresh); });
}

/// Tells the metrics, once, of a step that does not come to a checkpoint. A record is never unmapped: at worst the id is of a task that
/// has just ended.
void Worker::look_after(Worker& other, bool same_step, Time now) {
  const std::uint64_t step = watched_[other.index_];
  TaskRecord* task = other.stepping_.load(std::memory_order_acquire);
  if (!same_step || task == nullptr || told_stuck_[other.index_] == step) return;
  std::int64_t since = other.stepping_since_.load(std::memory_order_relaxed);
  if (const TaskExtra* rare = task->extra.load(std::memory_order_acquire)) {
    since = std::max(since, rare->last_checkpoint.load(std::memory_order_relaxed));
  }
  if (now.nanos() - since < ProductionExecutor::stuck_after_ns) return;
  told_stuck_[other.index_] = step;
  report_metric(metrics_, [&](MetricsProvider& to) {
    to.task_stuck_detected(task->id(), now - Time::from_nanos(since));
  });
}

void Worker::run_posted() {
  while (WorkItem* item = executor_.posted_.pop()) {
    item->posted.clear();
    item->run(*item);
  }
}

/// The common cases of next(), with the same order and bounds: what the last step woke, or the oldest that is ready, when no other lane
/// has anything.
TaskRecord* Worker::next_at_once(std::uint64_t tick) {
  if (others_go_first(tick)) return nullptr;
  if (lifo_.peek() != nullptr) return next_in_slot();
  if (!local_.empty() || !inbox_.empty()) return nullptr;
  TaskRecord* task = ready_.pop();
  if (task == nullptr) return nullptr;
  cancel_streak_ = preferred_streak_ = 0;
  count(counters_.ready);
  return task;
}

inline bool Worker::others_go_first(std::uint64_t tick) const {
  return tick % ProductionExecutor::injector_interval == 0 || cancel_waits() ||
         executor_.timed_size_.load(std::memory_order_relaxed) != 0;
}

inline TaskRecord* Worker::next_in_slot() {
  if (preferred_streak_ >= executor_.config_.cancel_streak_limit) return nullptr;
  TaskRecord* task = lifo_.take();
  if (task == nullptr) return nullptr;
  cancel_streak_ = 0;
  count_preferred(counters_.lifo);
  return task;
}

/// What a step of many branches keeps from running here, due timers too.
bool Worker::others_wait() const {
  return has_timers_.load(std::memory_order_relaxed) || cancel_waits() || lifo_.peek() != nullptr ||
         !local_.empty() || !ready_.empty() || !inbox_.empty() || !executor_.injected_.empty() ||
         !executor_.posted_.empty() || executor_.timed_size_.load(std::memory_order_relaxed) != 0;
}

inline bool Worker::step_now(TaskRecord& task) noexcept {
  if (forks_.is_used()) return false;  // the lane is of one task's step at a time
  if (lifo_.peek() != &task || nested_ == ProductionExecutor::nested_max || metrics_ != nullptr) return false;
  const std::uint64_t tick = counters_.dispatched.load(std::memory_order_relaxed);
  if (others_go_first(tick) || next_in_slot() != &task) return false;  // by now a thief may have it
  counters_.dispatched.store(tick + 1, std::memory_order_relaxed);
  ++nested_;
  executor_.kernel_->run_step(task);
  --nested_;
  return true;
}

bool ProductionExecutor::step_now(TaskRecord& task) noexcept {
  Worker* worker = thread_context.scheduler;
  return worker != nullptr && worker->step_now(task);
}

/// A timed or LIFO dispatch, and whether the ready queues had to wait for it.
void Worker::count_preferred(std::atomic<std::uint64_t>& counter) {
  count(counter);
  const bool others =
      !ready_.seems_empty() || !local_.empty() || !inbox_.empty() || !executor_.injected_.empty();
  preferred_streak_ = others ? preferred_streak_ + 1 : 0;
  if (others) raise_to(counters_.preferred_streak_max, preferred_streak_);
}

/// H2, the order of lanes and its bounds.
TaskRecord* Worker::next() {
  const std::uint32_t limit = executor_.config_.cancel_streak_limit;
  const std::uint64_t tick = counters_.dispatched.load(std::memory_order_relaxed);
  if (tick % ProductionExecutor::injector_interval == 0) {
    if (TaskRecord* task = executor_.injected_.pop()) {
      count(counters_.injected);
      cancel_streak_ = preferred_streak_ = 0;
      return task;
    }
    if (TaskRecord* task = ready_.pop_overflow()) {
      count(counters_.ready);
      cancel_streak_ = preferred_streak_ = 0;
      return task;
    }
  }
  if (cancel_streak_ < limit || executor_.kernel_->plants(Defect::StreakUnbounded)) {
    if (TaskRecord* task = own_cancel()) {
      count(counters_.cancel);
      const bool others = lifo_.peek() != nullptr || !ready_.empty() || !local_.empty() || !inbox_.empty() ||
                          executor_.timed_size_.load(std::memory_order_relaxed) > 0 ||
                          !executor_.injected_.empty();
      cancel_streak_ = others ? cancel_streak_ + 1 : 0;
      raise_to(counters_.cancel_streak_max, cancel_streak_);
      return task;
    }
  }
  const bool streak_was_full = cancel_streak_ >= limit;
  cancel_streak_ = 0;
  if (TaskRecord* task = preferred_lanes()) return task;
  if (TaskRecord* task = ready_lanes()) return task;
  if (streak_was_full) return next();  // nothing else was enabled after all
  return search();
}

bool Worker::cancel_waits() const {
  return !cancel_.seems_empty() || !local_cancel_.empty() || !inbox_cancel_.empty() ||
         !executor_.injected_cancel_.empty();
}

/// Local and others by turns.
TaskRecord* Worker::own_cancel() {
  if (!inbox_cancel_.empty()) local_cancel_.splice_back(inbox_cancel_.pop_batch(ProductionExecutor::batch_max));
  local_cancel_turn_ = !local_cancel_turn_;
  for (int attempt = 0; attempt < 2; ++attempt, local_cancel_turn_ = !local_cancel_turn_) {
    if (TaskRecord* task = local_cancel_turn_ ? local_cancel_.pop_front() : cancel_.pop()) return task;
  }
  return executor_.injected_cancel_.pop();
}

/// Timed and LIFO, as long as the ready queues do not wait for too long.
TaskRecord* Worker::preferred_lanes() {
  if (preferred_streak_ >= executor_.config_.cancel_streak_limit) {
    preferred_streak_ = 0;
    if (TaskRecord* task = own_ready()) return task;
    if (TaskRecord* task = executor_.injected_.pop()) return count(counters_.injected), task;
  }
  if (TaskRecord* task = executor_.pop_timed()) {
    count_preferred(counters_.timed);
    return task;
  }
  if (lifo_.peek() == nullptr) return nullptr;
  TaskRecord* task = lifo_.take();
  if (task != nullptr) count_preferred(counters_.lifo);
  return task;
}

/// Local and ready by turns: neither starves the other.
TaskRecord* Worker::own_ready() {
  if (!inbox_.empty()) local_.splice_back(inbox_.pop_batch(ProductionExecutor::batch_max));
  local_turn_ = !local_turn_;
  for (int attempt = 0; attempt < 2; ++attempt, local_turn_ = !local_turn_) {
    if (local_turn_) {
      if (TaskRecord* task = local_.pop_front()) return count(counters_.local), task;
    } else if (TaskRecord* task = ready_.pop()) {
      return count(counters_.ready), task;
    }
  }
  return nullptr;
}

TaskRecord* Worker::ready_lanes() {
  preferred_streak_ = 0;
  if (TaskRecord* task = own_ready()) return task;
  auto batch = executor_.injected_.pop_batch(std::min<std::size_t>(
      ProductionExecutor::batch_max, executor_.injected_.size() / executor_.worker_count() + 1));
  TaskRecord* first = batch.pop_front();
  while (TaskRecord* more = batch.pop_front()) ready_.push(more);
  if (first != nullptr) {
    count(counters_.injected);
    if (!ready_.empty()) executor_.wake_one();
  }
  return first;
}

TaskRecord* Worker::search() {
  declined_ = false;
  if (executor_.worker_count() == 1) return nullptr;
  if (!searching_) searching_ = executor_.idle_.try_become_searcher();
  if (!searching_) return nullptr;
  const bool shy = declined_ = is_shy();
  for (std::uint32_t i = 1; i < executor_.worker_count(); ++i) {
    victim_ = (victim_ + 1) % executor_.worker_count();
    if (victim_ == index_) victim_ = (victim_ + 1) % executor_.worker_count();
    if (TaskRecord* task = steal_from(*executor_.workers_[victim_], shy)) return count(counters_.stolen), task;
  }
  return nullptr;
}

TaskRecord* Worker::steal_from(Worker& victim, bool shy) {
  if (!victim.cancel_.seems_empty() || !victim.ready_.seems_empty()) {
    if (!shy && is_worth_stealing_from(victim)) {
      if (TaskRecord* task = victim.cancel_.steal(cancel_)) return task;
      if (TaskRecord* task = victim.ready_.steal(ready_)) return task;
    } else {
      declined_ = true;
    }
  }
  ForkEntry* branch = victim.forks_.steal();
  return branch == nullptr ? nullptr : executor_.kernel_->begin_fork(*branch);
}

/// Executor, 7. The pace of the victim since the last look; only the first of several must wait until it says something.
bool Worker::is_worth_stealing_from(const Worker& victim) {
  if (executor_.kernel_->config().exact) return true;
  Pace& last = paces_[victim.index_];
  std::int64_t now = steady_ns();
  if (now - last.at_ns > ProductionExecutor::watch_interval_ns) {
    last = {victim.counters_.dispatched.load(std::memory_order_relaxed), now, true};
    const std::int64_t until = now + ProductionExecutor::pace_over_ns;
    while ((now = steady_ns()) < until) RealPlatform::pause();
  }
  if (now - last.at_ns >= ProductionExecutor::pace_over_ns) {
    const std::uint64_t dispatched = victim.counters_.dispatched.load(std::memory_order_relaxed);
    const auto steps = static_cast<std::int64_t>(dispatched - last.dispatched);
    last = {dispatched, now, steps * ProductionExecutor::worth_stealing_ns <= now - last.at_ns};
  }
  return last.is_worth;
}

void Worker::look_up(Time now) { shyness_.look({now.nanos(), thread_context.contended_ns}); }

void Worker::wake_up() {
  const Time now = executor_.now();
  shyness_.wake_up({now.nanos(), thread_context.contended_ns});
  fire_timers(now);
}

/// Executor, 8.
bool Worker::is_shy() {
  if (executor_.kernel_->config().exact) return false;
  return shyness_.is_shy({executor_.now().nanos(), thread_context.contended_ns},
                         counters_.dispatched.load(std::memory_order_relaxed));
}

/// Executor, 7.
void Worker::nap() {
  is_napping_.store(true, std::memory_order_seq_cst);
  executor_.napping_.fetch_add(1, std::memory_order_seq_cst);
  // Whoever has published since the search either is seen here or sees the nap.
  const bool has_work = executor_.timed_size_.load(std::memory_order_seq_cst) != 0 ||
                        executor_.stopping_.load(std::memory_order_seq_cst) || !executor_.injected_.empty() ||
                        !executor_.injected_cancel_.empty() || !executor_.posted_.empty() || !inbox_.empty() ||
                        !inbox_cancel_.empty();
  if (!has_work) {
    nap_ns_ = std::clamp(2 * nap_ns_, ProductionExecutor::nap_ns, ProductionExecutor::nap_max_ns);
    Time until = executor_.now() + Duration(nap_ns_);
    if (const std::optional<Time> timer = next_timer()) until = std::min(until, *timer);
    executor_.sleep(*this, until, false);
  }
  executor_.napping_.fetch_sub(1, std::memory_order_relaxed);
  is_napping_.store(false, std::memory_order_relaxed);
  wake_up();
  (void)take_over_stuck();
}

/// Looks for a worker that is still in the step it was in at the last look: takes its LIFO slot and its due timers (protocol, 4).
bool Worker::take_over_stuck() {
  bool found = false;
  Time now = executor_.now();
  for (auto& other : executor_.workers_) {
    if (other.get() == this) continue;
    const std::uint64_t seen = other->counters_.dispatched.load(std::memory_order_relaxed);
    const bool stuck = watched_[other->index_] == seen;
    watched_[other->index_] = seen;
    if (metrics_ != nullptr) look_after(*other, stuck, now);
    if (!stuck) continue;
    if (other->has_timers_.load(std::memory_order_relaxed)) other->fire_timers(now);
    if (other->lifo_.peek() == nullptr) continue;
    if (TaskRecord* task = other->lifo_.steal()) {
      ready_.push(task);
      found = true;
    }
  }
  return found;
}

/// Before it sleeps: what it would find by looking again.
bool Worker::anything_visible() const {
  if (executor_.stopping_.load(std::memory_order_seq_cst)) return true;
  if (!executor_.injected_.empty() || !executor_.injected_cancel_.empty() || !executor_.posted_.empty() ||
      !inbox_.empty() || !inbox_cancel_.empty())
    return true;
  if (executor_.timed_size_.load(std::memory_order_seq_cst) > 0) return true;
  const bool to_steal =
      std::any_of(executor_.workers_.begin(), executor_.workers_.end(), [](const auto& worker) {
        return !worker->ready_.empty() || !worker->cancel_.empty() || worker->forks_.any();
      });
  return to_steal && executor_.idle_.may_search();
}

void Worker::park() {
  flush_polls();
  tell_ticks();
  if (std::exchange(declined_, false)) return nap();
  nap_ns_ = 0;
  if (searching_) {
    searching_ = false;
    (void)executor_.idle_.stop_searching();
  }
  std::optional<Time> until_old;  // when pooled memory may have grown old
  if (executor_.config_.age_memory != nullptr) {
    const std::int64_t now = steady_ns();
    const std::optional<std::int64_t> next = executor_.config_.age_memory(now);
    if (next && *next <= now) return;  // a slice of it has gone: work comes first, then the next
    if (next) until_old = Time::from_nanos(*next - executor_.started_ns_);
  }
  executor_.idle_.prepare_park(index_);
  const bool has_found = anything_visible();
  if (!has_found) {
    std::optional<Time> until;
    {
      const OwnedLock<>::Hold hold(timer_lock_, is_here());
      until = wheel_.next_deadline();
      sleeping_until_ = until ? *until : Time::max();
    }
    if (until_old) until = until ? std::min(*until, *until_old) : *until_old;
    // Somebody works: look up now and then, whether it is stuck in a long step (protocol, 4).
    const bool watch = executor_.idle_.parked() < executor_.worker_count();
    count(counters_.parked);
    executor_.sleep(*this, until, watch);
    {
      const OwnedLock<>::Hold hold(timer_lock_, is_here());
      sleeping_until_ = Time::zero();
    }
    wake_up();
    if (watch) take_over_stuck();
  }
  searching_ = executor_.idle_.finish_park(index_) == Woken::AsSearcher ||
               (has_found && executor_.idle_.try_become_searcher());
}

/// Under the lock. True: the worker sleeps beyond that, and is to be woken.
[[gnu::always_inline]] inline bool Worker::arm_in_wheel(TimerEntry& entry) noexcept {
  wheel_.arm(entry);
  has_timers_.store(true, std::memory_order_relaxed);
  const bool too_late = sleeping_until_ != Time::zero() && entry.deadline < sleeping_until_;
  if (too_late) sleeping_until_ = entry.deadline;
  return too_late;
}

void Worker::fire_timers(Time now) {
  executor_.set_coarse_now(now);
  if (!has_timers_.load(std::memory_order_relaxed)) return;
  const OwnedLock<>::Hold hold(timer_lock_, is_here());
  wheel_.advance(now, [](TimerEntry& entry) { entry.fire(entry); });
  if (wheel_.empty()) has_timers_.store(false, std::memory_order_relaxed);
}

}  // namespace quiesce::detail
