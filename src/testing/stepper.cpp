#include "quiesce/testing/stepper.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <list>
#include <mutex>
#include <ostream>
#include <set>
#include <stdexcept>
#include <unordered_map>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/fork.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"
#include "quiesce/detail/kernel/wait.hpp"
#include "quiesce/detail/scope/blocking_call.hpp"
#include "quiesce/detail/testing/stepper_guide.hpp"

namespace quiesce {

namespace {
constinit thread_local detail::MakeStepperGuide make_guide = nullptr;
}

detail::MakeStepperGuide detail::set_stepper_guides(MakeStepperGuide make) noexcept {
  return std::exchange(make_guide, make);
}

namespace testing {

using namespace detail;

const char* to_string(StepResult result) noexcept { return result == StepResult::done ? "done" : "pending"; }
std::ostream& operator<<(std::ostream& out, StepResult result) { return out << to_string(result); }

namespace {

/// A record that has been scheduled, as it was then: its region may be gone before its handle is.
struct Known {
  std::uint64_t order;
  RegionId owner;
  Budget budget;
};

/// An entry of the ready lane: a task, or a job of the blocking pool.
struct Ready {
  TaskRecord* task = nullptr;
  BlockingCallBase* job = nullptr;
};

struct TimerKey {
  Time deadline;
  std::uint64_t sequence;
  TimerEntry* entry;
  friend bool operator<(const TimerKey& a, const TimerKey& b) {
    return std::pair(a.deadline, a.sequence) < std::pair(b.deadline, b.sequence);
  }
};

struct EarlierDeadline {
  bool operator()(const TaskRecord* a, const TaskRecord* b) const {
    return std::pair(a->region->timed_until, a->logical()) < std::pair(b->region->timed_until, b->logical());
  }
};

struct Driver {
  TaskRecord* record;
  RegionRef root;
  bool shared;        // the one that cx(root) gives
  bool busy = false;  // its coroutine could not be ended when a run gave up
};

std::uint32_t limit_or_none(const std::optional<std::uint32_t>& limit) { return limit.value_or(~0u); }

/// The code outside any step is what runs in a driver's name between two runs.
void begin_driver_life(TaskRecord& task) {
  TaskExtra* rare = task.extra.load();
  if (rare != nullptr && rare->mask_depth > 0) task.word.apply([](TaskWord w) { return task_word::mask(w); });
}

/// Its run has ended: the same record, generation and context, ready for another.
void renew_driver(TaskRecord& task) {
  task.result_ops = nullptr;
  task.torn = false;
  if (TaskExtra* rare = task.extra.load()) {
    std::scoped_lock hold(rare->lock);
    rare->reason.reset();
    rare->torn.reset();
  }
  task.word.apply([](TaskWord w) { return task_word::release(w); });
  task.word.apply([](TaskWord w) { return task_word::birth(w, true); });
  begin_driver_life(task);
}

}  // namespace

struct Stepper::Impl final : Executor {
  StepperOptions options;
  Kernel* kernel = nullptr;
  Time clock;
  bool stepping = false;
  // What is runnable.
  std::deque<WorkItem*> posts;
  std::deque<TaskRecord*> cancel_lane;
  std::set<TaskRecord*, EarlierDeadline> timed_lane;
  std::deque<Ready> ready_lane;
  std::set<TimerKey> timers;
  std::uint64_t timer_sequence = 0;
  // Who is who.
  std::unordered_map<TaskId, Known> known;
  std::uint64_t spawn_order = 0;
  std::size_t prune_at = 4096;
  std::deque<Driver> drivers;
  std::size_t last_driver = 0;
  std::list<RegionRecord> tombstones;
  const std::unique_ptr<StepperGuide> guide = make_guide != nullptr ? make_guide() : nullptr;
  std::vector<StepChoice> choices;  // those of a guided step

  explicit Impl(StepperOptions wanted) : options(std::move(wanted)) {
    KernelConfig config;
    config.name = "stepper";
    config.seed = options.seed;
    config.poll_budget = options.poll_budget;
    config.panics = options.panics;
    config.capabilities = options.capabilities;
    config.metrics = options.metrics;
    config.log = options.log;
    config.close_warning = options.close_warning;
    config.exact = true;
    if (guide) config.defect = guide->defect();
    kernel = &Kernel::acquire(std::move(config), *this);
  }

  // ---- Executor ----
  void schedule(TaskRecord& task, Lane lane, detail::Origin origin) noexcept override {
    if (origin == detail::Origin::Spawn && task.role != TaskRole::Runner) remember(task);
    if (guide) guide->scheduled(task);
    switch (lane) {
      case Lane::Cancel: cancel_lane.push_back(&task); break;
      case Lane::Timed: timed_lane.insert(&task); break;
      case Lane::Ready: ready_lane.push_back({&task, nullptr}); break;
    }
  }
  void arm(TimerEntry& entry) noexcept override {
    QUIESCE_ASSERT(!entry.linked, "a timer is armed once at a time");
    entry.linked = true;
    entry.sequence = timer_sequence++;
    timers.insert({entry.deadline, entry.sequence, &entry});
  }
  bool disarm(TimerEntry& entry) noexcept override {
    if (!entry.linked) return false;
    entry.linked = false;
    timers.erase({entry.deadline, entry.sequence, &entry});
    return true;
  }
  void post(WorkItem& item) noexcept override { posts.push_back(&item); }
  bool submit_blocking(BlockingJob& job) noexcept override {
    auto& call = static_cast<BlockingCallBase&>(job);
    remember(call.task);
    ready_lane.push_back({nullptr, &call});
    return true;
  }
  bool withdraw_blocking(BlockingJob& job) noexcept override {
    return std::erase_if(ready_lane, [&](const Ready& entry) { return entry.job == &job; }) > 0;
  }
  Time now() const noexcept override { return clock; }
  void happened(const KernelEvent& event) noexcept override {
    if (guide) guide->happened(event);
  }
  void at_cancel_point(TaskRecord& task) noexcept override {
    if (!guide || !guide->cancels(task)) return;
    const CancelReason reason = CancelReason::user("injected");
    // A body has no request but its region's.
    if (task.role == TaskRole::Body)
      return kernel->cancel_region({task.region, task.region->word.load().generation()}, reason,
                                   Whose::Outside);
    kernel->cancel_task(task, reason);
  }
  void set_clock(Time time) {
    clock = time;
    set_coarse_now(time);
  }

  // ---- records by id ----
  void remember(const TaskRecord& task) {
    if (known.size() >= prune_at) {
      std::erase_if(known, [&](const auto& entry) { return find(entry.first) == nullptr; });
      prune_at = 2 * known.size() + 4096;
    }
    known.emplace(task.id(), Known{spawn_order++, task.region->id(), task.region->budget});
  }
  /// The record of a task of this Stepper in the life that the id names.
  TaskRecord* find(TaskId id) const {
    TaskRecord* task = TaskSlab::find(id.index);
    bool ours =
        task != nullptr && id.is_valid() && task->generation.load() == id.generation && known.contains(id);
    return ours && task->role != TaskRole::Driver ? task : nullptr;
  }
  RegionRef find(RegionId id) const {
    RegionRecord* region = RegionSlab::find(id.index);
    bool ours = region != nullptr && id.is_valid() && region->is(id.generation) && region->kernel == kernel;
    return ours ? RegionRef{region, id.generation} : RegionRef{};
  }
  RegionRef open_one(RegionId id, const char* what) const {
    RegionRef region = find(id);
    if (region.record == nullptr) {
      throw std::logic_error(fmt::format("Stepper::{}: region {} has closed, or is of another Stepper", what,
                                         quiesce::to_string(id)));
    }
    return region;
  }

  // ---- stepping ----
  void outside(const char* what) {
    if (stepping) throw std::logic_error(fmt::format("Stepper::{} was called from inside a step", what));
    settle();
  }
  /// Fires what is due and runs what was posted, until neither leaves anything; then looks after drivers.
  void settle() {
    for (;;) {
      if (!posts.empty()) {
        WorkItem* item = posts.front();
        posts.pop_front();
        item->posted.clear();
        item->run(*item);
      } else if (!timers.empty() && timers.begin()->deadline <= clock) {
        TimerEntry& entry = *timers.begin()->entry;
        timers.erase(timers.begin());
        entry.linked = false;
        entry.fire(entry);
      } else {
        break;
      }
    }
    bury_closed_roots();
  }
  /// A driver whose root has closed points to a region that stays Closed, since the record may be given to
  /// another region.
  void bury_closed_roots() {
    for (Driver& driver : drivers) {
      if (driver.record->region != driver.root.record || driver.root.alive()) continue;
      RegionRecord& tombstone = tombstones.emplace_back();
      tombstone.kernel = kernel;
      tombstone.index = driver.root.record->index;
      tombstone.word.apply([&](RegionWord) {
        return region_word::Next(
            RegionWord{std::uint64_t{driver.root.generation} << RegionWord::generation_shift}.with_gate(
                Gate::Closed));
      });
      driver.record->region = &tombstone;
    }
  }
  ForkLane forks;  // nobody takes from it
  bool idle() const { return cancel_lane.empty() && timed_lane.empty() && ready_lane.empty(); }

  StepResult step_task(TaskRecord& task) {
    const bool driver = task.role == TaskRole::Driver;
    if (guide) guide->stepping(task);
    stepping = true;
    const ThreadContext outer = std::exchange(
        thread_context,
        ThreadContext{.running = thread_context.running, .executor = this, .worker = 0, .forks = &forks});
    StepEnd end = kernel->run_step(task);
    thread_context = outer;
    stepping = false;
    if (driver && end == StepEnd::Done) forget_stuck(task);
    settle();
    return end == StepEnd::Done ? StepResult::done : StepResult::pending;
  }
  void run_job(BlockingCallBase& job) {
    TaskRecord* outer = current_task();
    if (guide) guide->stepping(job.task);
    stepping = true;
    job.run(&job);
    stepping = false;
    set_current_task(outer);
    settle();
  }
  /// The next step in lane order, or the guide's; not all lanes may be empty.
  void step_next() {
    std::size_t at = guide ? choose_guided() : 0;
    if (at < cancel_lane.size()) {
      auto entry = cancel_lane.begin() + static_cast<std::ptrdiff_t>(at);
      TaskRecord* task = *entry;
      cancel_lane.erase(entry);
      step_task(*task);
      return;
    }
    at -= cancel_lane.size();
    if (at < timed_lane.size()) {
      auto entry = std::next(timed_lane.begin(), static_cast<std::ptrdiff_t>(at));
      TaskRecord* task = *entry;
      timed_lane.erase(entry);
      step_task(*task);
      return;
    }
    auto place = ready_lane.begin() + static_cast<std::ptrdiff_t>(at - timed_lane.size());
    Ready entry = *place;
    ready_lane.erase(place);
    if (entry.task != nullptr) {
      step_task(*entry.task);
    } else {
      run_job(*entry.job);
    }
  }
  /// An index into the three lanes one after the other.
  std::size_t choose_guided() {
    choices.clear();
    for (TaskRecord* task : cancel_lane) choices.push_back({task, Lane::Cancel});
    for (TaskRecord* task : timed_lane) choices.push_back({task, Lane::Timed});
    for (const Ready& entry : ready_lane)
      choices.push_back({entry.task != nullptr ? entry.task : &entry.job->task, Lane::Ready});
    const std::size_t chosen = guide->choose(choices);
    QUIESCE_ASSERT(chosen < choices.size(), "a guide chooses among what can be stepped");
    return chosen;
  }
  void note_idle() {
    if (guide && idle()) guide->idle(clock);
  }
  bool take_from_lane(TaskRecord& task) {
    return std::erase(cancel_lane, &task) + (task.is_timed() ? timed_lane.erase(&task) : 0) +
               std::erase_if(ready_lane, [&](const Ready& entry) { return entry.task == &task; }) >
           0;
  }
  /// Moves the clock to the next timer; false when there is none.
  bool pass_time() {
    note_idle();
    if (timers.empty()) return false;
    set_clock(std::max(clock, timers.begin()->deadline));
    settle();
    return true;
  }
  void rethrow_unisolated() {
    if (std::exception_ptr exception = kernel->take_unisolated()) std::rethrow_exception(exception);
  }

  // ---- drivers ----
  Driver& add_driver(RegionRef root, CapabilityBlock* capabilities, bool shared) {
    TaskRecord* record =
        *kernel->admit_task({.region = root, .role = TaskRole::Driver, .capabilities = capabilities});
    begin_driver_life(*record);
    return drivers.emplace_back(Driver{record, root, shared});
  }
  Driver& driver_of(const CxCore* cx) {
    if (cx == nullptr) {
      if (drivers.empty()) throw std::logic_error("Stepper::run: no context was made; call cx(root) first");
      return drivers[last_driver];
    }
    for (Driver& driver : drivers) {
      if (driver.record == cx->task && cx->alive()) return driver;
    }
    throw std::logic_error(
        fmt::format("Stepper::run: the context of {} is of no driver of this Stepper: pass what cx(root) gave",
                    quiesce::to_string(cx->id())));
  }
  void forget_stuck(TaskRecord& task) {
    for (Driver& driver : drivers) {
      if (driver.record != &task || !driver.busy) continue;
      driver.busy = false;
      task.result_ops->destroy(task);
      renew_driver(task);
    }
  }
  std::string waits() const {
    std::string text = take_snapshot(kernel->roots(), clock).dump();
    for (const Driver& driver : drivers) {
      const LeafOps* wait = driver.record->waits_for();
      if (wait != nullptr)
        text += fmt::format("driver {} waits for {}\n", driver.record->path.to_string(), wait->what);
    }
    return text;
  }
  /// A run that cannot go on: its coroutine is asked to end, so that the test may go on, and the caller is
  /// told.
  [[noreturn]] void give_up(Driver& driver, std::string text) {
    if (guide) guide->stuck(text);
    kernel->cancel_task(*driver.record, CancelReason::shutdown("the run was given up"));
    settle();
    for (std::size_t steps = 0; !driver.record->word.load().done() && steps < options.step_limit; ++steps) {
      if (!idle()) {
        step_next();
      } else if (!pass_time()) {
        break;
      }
    }
    if (driver.record->word.load().done()) {
      driver.record->result_ops->destroy(*driver.record);
      renew_driver(*driver.record);
    } else {
      driver.busy = true;
      text += "the run itself could not be ended either: until it ends, this context runs nothing else\n";
    }
    throw std::runtime_error(text);
  }
  Outcome<> drive(Driver& driver, Task<> observer) {
    TaskRecord& record = *driver.record;
    if (driver.busy) throw std::logic_error("Stepper::run: this driver still waits in a run that was given up");
    detail_install(record, std::move(observer));
    ready_lane.push_back({&record, nullptr});
    for (std::size_t steps = 0; !record.word.load().done();) {
      if (!idle()) {
        if (++steps > options.step_limit) {
          give_up(driver,
                  fmt::format("Stepper::run: not done after {} steps:\n{}", options.step_limit, waits()));
        }
        step_next();
      } else if (!pass_time()) {
        give_up(driver, fmt::format("Stepper::run: deadlock: nothing is runnable, no timer is armed, and the "
                                    "run has not ended:\n{}",
                                    waits()));
      }
    }
    Outcome<> ended = std::move(RecordResult<void, Error>::get(record));
    record.result_ops->destroy(record);
    renew_driver(record);
    rethrow_unisolated();
    return ended;
  }

  // ---- the end ----
  [[noreturn]] void cannot_end(const char* why) {
    const std::string text =
        fmt::format("quiesce: ~Stepper: {}; it would leak what still waits:\n{}", why, waits());
    if (guide) guide->cannot_end(text);
    std::fputs(text.c_str(), stderr);
    std::abort();
  }
  void shut_down() {
    kernel->set_accepting(false);
    settle();
    for (const Driver& driver : drivers) {
      if (driver.busy) kernel->cancel_task(*driver.record, CancelReason::shutdown("the Stepper is destroyed"));
    }
    for (RegionRef root : kernel->roots())
      kernel->cancel_region(root, CancelReason::shutdown("the Stepper is destroyed"), Whose::Outside);
    settle();
    auto busy = [](const Driver& driver) { return driver.busy; };
    for (std::size_t steps = 0; !kernel->roots().empty() || std::any_of(drivers.begin(), drivers.end(), busy);
         ++steps) {
      if (steps > options.step_limit) cannot_end("not idle after its limit of steps");
      if (!idle()) {
        step_next();
      } else if (!pass_time()) {
        cannot_end("nothing is runnable and no timer is armed");
      }
    }
    for (const Driver& driver : drivers) kernel->abandon_task(*driver.record);
    QUIESCE_ASSERT(timers.empty(),
                   "a Stepper is destroyed while a quiesce::Timer of its is armed: stop it before, or make it "
                   "after the Stepper");
    kernel->recycle();
  }
};

Stepper::Stepper(StepperOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Stepper::~Stepper() { impl_->shut_down(); }

RegionId Stepper::create_root_region(const Budget& budget, const RegionLimits& limits) {
  impl_->outside("create_root_region");
  RegionBirth birth;
  birth.budget = budget;
  birth.limits = limits;
  birth.policy = &PolicyOpsOf<FailFast>::ops;
  birth.cleanup = impl_->options.cleanup;
  birth.held = true;
  RegionRef root = impl_->kernel->open_region(birth).value();
  impl_->settle();
  return root.id();
}

ScopeCore Stepper::scope_core(RegionId region) const {
  return {RegionSlab::find(region.index), region.generation};
}

void Stepper::begin_close(RegionId region) {
  impl_->outside("begin_close");
  impl_->kernel->begin_close(impl_->open_one(region, "begin_close"));
  impl_->settle();
}

void Stepper::cancel(RegionId region, const CancelReason& reason) {
  impl_->outside("cancel");
  impl_->kernel->cancel_region(impl_->open_one(region, "cancel"), reason, Whose::Outside);
  impl_->settle();
}

void Stepper::set_limits(RegionId region, const RegionLimits& limits) {
  RegionRecord& record = *impl_->open_one(region, "set_limits").record;
  std::scoped_lock hold(record.lock);
  record.limits = limits;
  record.max_tasks.store(limit_or_none(limits.max_tasks));
}

Cx Stepper::cx(RegionId root) {
  for (std::size_t i = 0; i < impl_->drivers.size(); ++i) {
    Driver& driver = impl_->drivers[i];
    if (!driver.shared || driver.root.id() != root) continue;
    impl_->last_driver = i;
    return Cx(CxCore{driver.record, driver.record->generation.load()});
  }
  Driver& driver = impl_->add_driver(impl_->open_one(root, "cx"), impl_->kernel->default_capabilities(), true);
  impl_->last_driver = impl_->drivers.size() - 1;
  return Cx(CxCore{driver.record, driver.record->generation.load()});
}

Cx Stepper::cx(RegionId root, Capabilities capabilities) {
  RegionRef region = impl_->open_one(root, "cx");
  Driver& driver = impl_->add_driver(region, impl_->kernel->add_capabilities(std::move(capabilities)), false);
  impl_->last_driver = impl_->drivers.size() - 1;
  return Cx(CxCore{driver.record, driver.record->generation.load()});
}

StepResult Stepper::step(TaskId id) {
  impl_->outside("step");
  TaskRecord* task = impl_->find(id);
  if (task == nullptr) {
    throw std::logic_error(
        fmt::format("Stepper::step: task {} is unknown or has ended: its id is stale", quiesce::to_string(id)));
  }
  auto job = std::find_if(impl_->ready_lane.begin(), impl_->ready_lane.end(),
                          [&](const Ready& entry) { return entry.job != nullptr && &entry.job->task == task; });
  StepResult result = StepResult::done;
  if (job != impl_->ready_lane.end()) {
    BlockingCallBase& call = *job->job;
    impl_->ready_lane.erase(job);
    impl_->run_job(call);
  } else if (impl_->take_from_lane(*task)) {
    result = impl_->step_task(*task);
  } else {
    std::optional<TaskView> view = this->task(id);
    std::string why =
        task->word.load().done() ? "has ended" : "waits for " + (view ? view->waiting_for : std::string());
    throw std::logic_error(fmt::format("Stepper::step: task {} ({}) is not runnable: it {}",
                                       quiesce::to_string(id), task->path.to_string(), why));
  }
  impl_->rethrow_unisolated();
  return result;
}

std::size_t Stepper::run_until_idle() {
  impl_->outside("run_until_idle");
  std::size_t steps = 0;
  while (!impl_->idle()) {
    if (steps == impl_->options.step_limit) {
      throw std::runtime_error(
          fmt::format("Stepper::run_until_idle: not idle after {} steps:\n{}", steps, impl_->waits()));
    }
    impl_->step_next();
    ++steps;
  }
  impl_->note_idle();
  impl_->rethrow_unisolated();
  return steps;
}

bool Stepper::run_blocking_one() {
  impl_->outside("run_blocking_one");
  auto job = std::find_if(impl_->ready_lane.begin(), impl_->ready_lane.end(),
                          [](const Ready& entry) { return entry.job != nullptr; });
  if (job == impl_->ready_lane.end()) return false;
  BlockingCallBase& call = *job->job;
  impl_->ready_lane.erase(job);
  impl_->run_job(call);
  impl_->rethrow_unisolated();
  return true;
}

Outcome<> Stepper::drive(const CxCore* driver, Task<> observer) {
  impl_->outside("run");
  return impl_->drive(impl_->driver_of(driver), std::move(observer));
}

Time Stepper::now() const noexcept { return impl_->clock; }

void Stepper::advance(Duration duration) {
  impl_->outside("advance");
  if (duration < Duration::zero()) throw std::logic_error("Stepper::advance: the clock does not go back");
  const Time target = impl_->clock + duration;
  while (!impl_->timers.empty() && impl_->timers.begin()->deadline <= target) impl_->pass_time();
  impl_->set_clock(target);
}

std::optional<TaskView> Stepper::task(TaskId id) const {
  TaskRecord* task = impl_->find(id);
  auto known = impl_->known.find(id);
  if (task == nullptr || known == impl_->known.end()) return std::nullopt;
  TaskWord word = task->word.load();
  TaskView view;
  view.id = id;
  view.owner = known->second.owner;
  view.phase = task->phase();
  view.created_at = Time::from_nanos(std::int64_t{task->created_ms} * 1'000'000);
  view.cancel_requested = word.requested();
  if (word.requested() && task->region->is(view.owner.generation))
    view.cancel_reason = impl_->kernel->reason_of(*task);
  view.budget = known->second.budget;
  view.steps = task->steps.load();
  view.path = task->path.to_string();
  const LeafOps* wait = task->waits_for();
  if (word.run() == RunState::Idle && wait != nullptr) view.waiting_for = wait->what;
  return view;
}

std::optional<RegionView> Stepper::region(RegionId id) const {
  RegionRef ref = impl_->find(id);
  if (ref.record == nullptr) return std::nullopt;
  RegionRecord& region = *ref.record;
  RegionView view;
  view.id = id;
  if (region.parent != nullptr) view.parent = RegionId{region.parent->index, region.parent_generation};
  view.budget = region.budget;
  view.created_at = region.created_at;
  view.path = region.path.to_string();
  for (RegionShard& shard : region.shards) {
    std::scoped_lock hold(shard.lock);
    for (TaskRecord* task = first_member(shard.members); task != nullptr; task = next_member(*task))
      view.tasks.push_back(task->id());
  }
  std::sort(view.tasks.begin(), view.tasks.end(),
            [&](TaskId a, TaskId b) { return impl_->known.at(a).order < impl_->known.at(b).order; });
  std::scoped_lock hold(region.lock);
  view.state = state_of(region.word.load(), region.body_ended);
  view.limits = region.limits;
  for (RegionRecord* child = region.children; child != nullptr; child = child->sibling_next)
    view.children.push_back(child->id());
  std::reverse(view.children.begin(), view.children.end());
  view.obligations = region.obligation_count;
  view.finalizers = region.finalizer_count;
  view.cancel_reason = region.reason;
  return view;
}

std::vector<TaskId> Stepper::live_tasks() const {
  std::vector<std::pair<std::uint64_t, TaskId>> ordered;
  for (const auto& [id, known] : impl_->known) {
    TaskRecord* task = impl_->find(id);
    if (task != nullptr && task->membership == Membership::Shard && !task->word.load().done())
      ordered.emplace_back(known.order, id);
  }
  std::sort(ordered.begin(), ordered.end());
  std::vector<TaskId> tasks;
  for (const auto& entry : ordered) tasks.push_back(entry.second);
  return tasks;
}

std::vector<TaskId> Stepper::runnable() const {
  std::vector<TaskId> tasks;
  for (TaskRecord* task : impl_->cancel_lane) tasks.push_back(task->id());
  for (TaskRecord* task : impl_->timed_lane) tasks.push_back(task->id());
  for (const Ready& entry : impl_->ready_lane)
    tasks.push_back(entry.task != nullptr ? entry.task->id() : entry.job->task.id());
  return tasks;
}

Snapshot Stepper::snapshot() const { return take_snapshot(impl_->kernel->roots(), impl_->clock); }

}  // namespace testing
}  // namespace quiesce
