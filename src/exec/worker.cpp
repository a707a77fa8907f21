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
      idle_(config_.workers),
      pool_(config_.blocking_min, config_.blocking_max, std::chrono::seconds(10), config_.name) {
  workers_.reserve(config_.workers);
  for (std::uint32_t i = 0; i < config_.workers; ++i) workers_.push_back(std::make_unique<Worker>(*this, i));
}

ProductionExecutor::~ProductionExecutor() { stop(); }

void ProductionExecutor::start(Kernel& kernel) {
  attach(kernel);
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

void ProductionExecutor::schedule_local(TaskRecord& task, bool cancelled) noexcept {
  Worker& home = *workers_[task.home_worker];
  if (thread_context.scheduler == &home) return (cancelled ? home.local_cancel_ : home.local_).push_back(&task);
  (cancelled ? home.inbox_cancel_ : home.inbox_).push(&task);
  if (idle_.claim(home.index_)) wake(home);
}

void ProductionExecutor::schedule(TaskRecord& task, Lane lane, Origin origin) noexcept {
  if (task.tier == TaskTier::Local) return schedule_local(task, lane == Lane::Cancel);
  Worker* worker = thread_context.scheduler;
  if (worker != nullptr && &worker->executor_ != this) worker = nullptr;
  if (lane == Lane::Timed) {
    std::scoped_lock hold(timed_lock_);
    timed_.push(&task);
    timed_size_.store(timed_.size(), std::memory_order_seq_cst);
  } else if (worker == nullptr) {
    (lane == Lane::Cancel ? injected_cancel_ : injected_).push(&task);
  } else if (lane == Lane::Cancel) {
    worker->push_own(worker->cancel_, task, injected_cancel_);
  } else if (origin == Origin::Yield) {
    worker->push_own(worker->ready_, task, injected_);
  } else {
    TaskRecord* displaced = worker->lifo_.put(&task);
    if (displaced == nullptr) return;  // protocol, 4
    worker->push_own(worker->ready_, *displaced, injected_);
  }
  wake_one();
}

bool ProductionExecutor::step_now(TaskRecord& task) noexcept {
  Worker* worker = thread_context.scheduler;
  return worker != nullptr && worker->step_now(task);
}

void ProductionExecutor::arm(TimerEntry& entry) noexcept {
  Worker* worker = thread_context.scheduler;
  if (worker == nullptr || &worker->executor_ != this) worker = workers_.front().get();
  bool too_late;
  {
    std::scoped_lock hold(worker->timer_lock_);
    entry.home = static_cast<std::uint16_t>(worker->index_);
    worker->wheel_.arm(entry);
    worker->has_timers_.store(true, std::memory_order_relaxed);
    too_late = worker->sleeping_until_ != Time::zero() && entry.deadline < worker->sleeping_until_;
    if (too_late) worker->sleeping_until_ = entry.deadline;
  }
  if (too_late) wake(*worker);
}

bool ProductionExecutor::disarm(TimerEntry& entry) noexcept {
  Worker& worker = *workers_[entry.home];
  std::scoped_lock hold(worker.timer_lock_);
  return worker.wheel_.disarm(entry);
}

void ProductionExecutor::post(WorkItem& item) noexcept {
  posted_.push(&item);
  wake_one();
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
      told_stuck_(executor.config_.workers, 0) {}

void Worker::start() {
  thread_ = std::thread([this] { run(); });
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::enter() {
  thread_context = ThreadContext{.executor = &executor_, .worker = index_, .scheduler = this};
  metrics_ = executor_.kernel_->metrics();
}

void Worker::leave() {
  flush_polls();
  tell_ticks();
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
  std::scoped_lock hold(timer_lock_);
  return wheel_.next_deadline();
}

inline bool Worker::make_turn() {
  const std::uint64_t tick = counters_.dispatched.load(std::memory_order_relaxed);
  if (tick % ProductionExecutor::clock_interval == 0) fire_timers(executor_.now());
  if (!executor_.posted_.empty()) run_posted();
  TaskRecord* task = next_in_slot(tick);
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

/// The common case of next(), with the same order and bounds: what the last step woke, when no earlier lane has anything.
TaskRecord* Worker::next_in_slot(std::uint64_t tick) {
  if (lifo_.peek() == nullptr || tick % ProductionExecutor::injector_interval == 0 ||
      preferred_streak_ >= executor_.config_.cancel_streak_limit || cancel_waits() ||
      executor_.timed_size_.load(std::memory_order_relaxed) != 0) {
    return nullptr;
  }
  TaskRecord* task = lifo_.take();
  if (task != nullptr) {
    cancel_streak_ = 0;
    count_preferred(counters_.lifo);
  }
  return task;
}

bool Worker::step_now(TaskRecord& task) noexcept {
  if (lifo_.peek() != &task || nested_ == ProductionExecutor::nested_max || metrics_ != nullptr) return false;
  const std::uint64_t tick = counters_.dispatched.load(std::memory_order_relaxed);
  if (next_in_slot(tick) != &task) return false;  // by now a thief may have it
  counters_.dispatched.store(tick + 1, std::memory_order_relaxed);
  ++nested_;
  executor_.kernel_->run_step(task);
  --nested_;
  return true;
}

/// A timed or LIFO dispatch, and whether the ready queues had to wait for it.
void Worker::count_preferred(std::atomic<std::uint64_t>& counter) {
  count(counter);
  const bool others =
      ready_.size_approx() != 0 || !local_.empty() || !inbox_.empty() || !executor_.injected_.empty();
  preferred_streak_ = others ? preferred_streak_ + 1 : 0;
  if (others) raise_to(counters_.preferred_streak_max, preferred_streak_);
}

void Worker::push_own(WorkDeque<TaskRecord>& lane, TaskRecord& task, Injector<TaskRecord>& overflow) {
  while (!lane.push(&task)) {
    TaskRecord* half[WorkDeque<TaskRecord>::half];
    Injector<TaskRecord>::Batch batch;
    const std::uint32_t taken = lane.take_half(half);
    for (std::uint32_t i = 0; i < taken; ++i) batch.push_back(half[i]);
    overflow.push_batch(std::move(batch));
  }
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
  return cancel_.size_approx() != 0 || !local_cancel_.empty() || !inbox_cancel_.empty() ||
         !executor_.injected_cancel_.empty();
}

/// Local and others by turns.
TaskRecord* Worker::own_cancel() {
  local_cancel_.splice_back(inbox_cancel_.pop_batch(ProductionExecutor::batch_max));
  local_cancel_turn_ = !local_cancel_turn_;
  for (int attempt = 0; attempt < 2; ++attempt, local_cancel_turn_ = !local_cancel_turn_) {
    if (TaskRecord* task = local_cancel_turn_ ? local_cancel_.pop_front() : cancel_.pop_fifo()) return task;
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
  local_.splice_back(inbox_.pop_batch(ProductionExecutor::batch_max));
  local_turn_ = !local_turn_;
  for (int attempt = 0; attempt < 2; ++attempt, local_turn_ = !local_turn_) {
    if (local_turn_) {
      if (TaskRecord* task = local_.pop_front()) return count(counters_.local), task;
    } else if (TaskRecord* task = ready_.pop_fifo()) {
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
  while (TaskRecord* more = batch.pop_front()) push_own(ready_, *more, executor_.injected_);
  if (first != nullptr) {
    count(counters_.injected);
    if (!ready_.empty()) executor_.wake_one();
  }
  return first;
}

TaskRecord* Worker::search() {
  if (executor_.worker_count() == 1) return nullptr;
  if (!searching_) searching_ = executor_.idle_.try_become_searcher();
  if (!searching_) return nullptr;
  for (std::uint32_t i = 1; i < executor_.worker_count(); ++i) {
    victim_ = (victim_ + 1) % executor_.worker_count();
    if (victim_ == index_) victim_ = (victim_ + 1) % executor_.worker_count();
    Worker& victim = *executor_.workers_[victim_];
    TaskRecord* task = victim.cancel_.steal();
    if (task == nullptr) task = victim.ready_.steal();
    if (task != nullptr) return count(counters_.stolen), task;
  }
  return nullptr;
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
    if (TaskRecord* task = other->lifo_.take()) {
      push_own(ready_, *task, executor_.injected_);
      found = true;
    }
  }
  return found;
}

bool Worker::anything_visible() const {
  if (executor_.stopping_.load(std::memory_order_seq_cst)) return true;
  if (!executor_.injected_.empty() || !executor_.injected_cancel_.empty() || !executor_.posted_.empty() ||
      !inbox_.empty() || !inbox_cancel_.empty())
    return true;
  if (executor_.timed_size_.load(std::memory_order_seq_cst) > 0) return true;
  return std::any_of(executor_.workers_.begin(), executor_.workers_.end(),
                     [](const auto& worker) { return !worker->ready_.empty() || !worker->cancel_.empty(); });
}

void Worker::park() {
  flush_polls();
  tell_ticks();
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
      std::scoped_lock hold(timer_lock_);
      until = wheel_.next_deadline();
      sleeping_until_ = until ? *until : Time::max();
    }
    if (until_old) until = until ? std::min(*until, *until_old) : *until_old;
    // Somebody works: look up now and then, whether it is stuck in a long step (protocol, 4).
    const bool watch = executor_.idle_.parked() < executor_.worker_count();
    count(counters_.parked);
    executor_.sleep(*this, until, watch);
    {
      std::scoped_lock hold(timer_lock_);
      sleeping_until_ = Time::zero();
    }
    fire_timers(executor_.now());
    if (watch) take_over_stuck();
  }
  searching_ = executor_.idle_.finish_park(index_) == Woken::AsSearcher ||
               (has_found && executor_.idle_.try_become_searcher());
}

void Worker::fire_timers(Time now) {
  executor_.set_coarse_now(now);
  if (!has_timers_.load(std::memory_order_relaxed)) return;
  std::scoped_lock hold(timer_lock_);
  wheel_.advance(now, [](TimerEntry& entry) { entry.fire(entry); });
  if (wheel_.empty()) has_timers_.store(false, std::memory_order_relaxed);
}

}  // namespace quiesce::detail
