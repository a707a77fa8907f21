#include "quiesce/cx.hpp"

#include <array>
#include <charconv>
#include <limits>

#include "quiesce/capabilities.hpp"
#include "quiesce/detail/kernel/clock.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce {
namespace detail {
namespace {

std::string describe(CxCore cx) {
  return cx.alive() ? "task " + cx.task->path.to_string() : std::string("a task that has ended");
}

Error stale(CxCore cx, const char* what) {
  return Error(ErrorCode::StaleContext,
               std::string("Cx::") + what +
                   ": the task of this context has ended; use the context that was passed to the running task")
      .with_context("task", to_string(cx.id()));
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), as a function of seed, logical id and draw: no state that moves with threads.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

/// The task of a context that only its own task may use this way.
TaskRecord& own(CxCore cx, const char* what) {
  if (std::optional<Error> error = own_context_error(cx, what)) throw UsageError(std::move(*error));
  return *cx.task;
}

template <class T>
std::shared_ptr<T> capability(CxCore cx, const char* what, std::shared_ptr<T> Capabilities::*member) {
  TaskRecord& task = readable(cx, what);
  CapabilityBlock* block = task.kernel().capabilities_of(task);
  return block == nullptr ? nullptr : block->set.*member;
}

LeafNext finish_sleep(TaskRecord& task, void* data, TaskWord before) noexcept {
  auto& sleep = *static_cast<SleepAwaiter*>(data);
  task.kernel().executor().disarm(sleep.timer);
  if (!before.has(TaskWord::by_request_bit)) return LeafNext::Resume;
  if (sleep.observed == nullptr) return LeafNext::EndCancelled;
  *sleep.observed = Outcome<>::cancelled(task.kernel().reason_seen_by(task));
  return LeafNext::Resume;
}

constexpr LeafOps sleep_wait{finish_sleep, "sleep", true};

}  // namespace

[[gnu::noinline]] static TaskRecord& readable_by_others(CxCore cx, const char* what) {
  if (!cx.alive()) throw UsageError(stale(cx, what));
  return *cx.task;
}

TaskRecord& readable(CxCore cx, const char* what) {
  TaskRecord* const running = thread_context.running;
  if (running == nullptr || !cx.is_of(*running) || running->word.load().done()) [[unlikely]]
    return readable_by_others(cx, what);
  return *running;
}

std::optional<Error> own_context_error(CxCore cx, const char* what) {
  const TaskRecord* running = thread_context.running;
  if (running != nullptr && cx.is_of(*running) && !running->word.load().done()) [[likely]]
    return std::nullopt;
  if (!cx.alive()) return stale(cx, what);
  if (running == nullptr && cx.task->role == TaskRole::Driver)
    return std::nullopt;  // it speaks for code outside any task
  std::string who = running == nullptr ? "code outside any task" : "task " + running->path.to_string();
  return Error(ErrorCode::ForeignContext,
               std::string("Cx::") + what + ": " + who + " used the context of " + describe(cx) +
                   "; a task may suspend, mask, acknowledge and draw only through its own context")
      .with_context("task", to_string(cx.id()));
}

RegionId cx_region_id(CxCore cx) { return readable(cx, "region_id").region->id(); }
std::string cx_path(CxCore cx) { return readable(cx, "path").path.to_string(); }
Budget cx_budget(CxCore cx) { return readable(cx, "budget").region->budget; }
Time cx_now(CxCore cx) { return readable(cx, "now").kernel().executor().now(); }
Time cx_now_at_the_latest(CxCore cx) { return now_at_the_latest(readable(cx, "now").kernel()); }

std::optional<Duration> cx_remaining(CxCore cx) {
  TaskRecord& task = readable(cx, "remaining");
  if (!task.region->budget.deadline) return std::nullopt;
  Duration left = *task.region->budget.deadline - task.kernel().executor().now();
  return left < Duration::zero() ? Duration::zero() : left;
}

bool cx_charge(CxCore cx, std::uint64_t cost) {
  TaskRecord& task = own(cx, "charge");
  return task.region->quota == nullptr || task.kernel().charge(*task.region, cost);
}

bool cx_is_cancel_requested(CxCore cx) {
  TaskRecord& task = readable(cx, "is_cancel_requested");
  task.kernel().use(task, Use::Read);
  return task.word.load().requested();
}

std::optional<CancelReason> cx_cancel_reason(CxCore cx) {
  TaskRecord& task = readable(cx, "cancel_reason");
  task.kernel().use(task, Use::Read);
  if (!task.word.load().requested()) return std::nullopt;
  return task.kernel().reason_of(task);
}

bool cx_passes_checkpoint(CxCore cx) noexcept {
  const TaskRecord* running = thread_context.running;
  if (running == nullptr || !cx.is_of(*running) || running->watched) return false;
  const TaskWord word = running->word.load();
  return !word.must_observe() && !word.done();
}

Outcome<> cx_checkpoint(CxCore cx) {
  if (std::optional<Error> error = own_context_error(cx, "checkpoint"))
    return Outcome<>::err(std::move(*error));
  TaskRecord& task = *cx.task;
  task.kernel().use(task, Use::Read);
  task.kernel().note_checkpoint(task);
  if (!task.word.load().must_observe()) return Outcome<>::ok();
  task.word.apply([](TaskWord w) { return task_word::acknowledge(w); });
  return Outcome<>::cancelled(task.kernel().reason_seen_by(task));
}

bool cx_is_shutting_down(CxCore cx) { return !readable(cx, "is_shutting_down").kernel().accepting(); }

std::uint64_t cx_random(CxCore cx) {
  TaskRecord& task = own(cx, "random_u64");
  return mix(mix(task.kernel().config().seed ^ mix(task.logical().value)) + Kernel::extra(task).draws++);
}

// Lemire, "Fast Random Integer Generation in an Interval" (TOMACS 2019): multiply and reject.
std::uint64_t cx_random_index(CxCore cx, std::uint64_t n) {
  if (n == 0) throw UsageError(Error(ErrorCode::InvalidArgument, "Cx::random_index: n must be at least 1"));
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t threshold = (0 - n) % n;
  for (;;) {
    Wide product = static_cast<Wide>(cx_random(cx)) * n;
    if (static_cast<std::uint64_t>(product) >= threshold) return static_cast<std::uint64_t>(product >> 64);
  }
}

void cx_trace(CxCore cx, std::string_view name, std::string_view value) {
  TaskRecord& task = readable(cx, "trace");
  LogSink* sink = task.kernel().config().log.get();
  if (sink == nullptr) return;
  const std::string path = task.path.to_string();
  if (value.empty()) {
    const LogField fields[] = {{"task", path}};
    sink->write(LogLevel::Info, name, fields);
  } else {
    const LogField fields[] = {{"task", path}, {"value", value}};
    sink->write(LogLevel::Info, name, fields);
  }
}

std::shared_ptr<Registry> cx_registry(CxCore cx) { return capability(cx, "registry", &Capabilities::registry); }
std::shared_ptr<Remote> cx_remote(CxCore cx) { return capability(cx, "remote", &Capabilities::remote); }
std::shared_ptr<Io> cx_io(CxCore cx) { return capability(cx, "io", &Capabilities::io); }
std::shared_ptr<BlockingPoolHandle> cx_blocking_pool(CxCore cx) {
  return capability(cx, "blocking_pool", &Capabilities::blocking_pool);
}
std::shared_ptr<Pressure> cx_pressure(CxCore cx) { return capability(cx, "pressure", &Capabilities::pressure); }
std::shared_ptr<Macaroon> cx_macaroon(CxCore cx) { return capability(cx, "macaroon", &Capabilities::macaroon); }
std::shared_ptr<EvidenceSink> cx_evidence(CxCore cx) {
  return capability(cx, "evidence", &Capabilities::evidence);
}
std::shared_ptr<LogicalClock> cx_logical_clock(CxCore cx) {
  return capability(cx, "logical_clock", &Capabilities::logical_clock);
}
bool cx_has_timer(CxCore cx) {
  TaskRecord& task = readable(cx, "has_timer");
  CapabilityBlock* block = task.kernel().capabilities_of(task);
  return block != nullptr && block->set.timer;
}

bool SleepAwaiter::start(PromiseBase& self) noexcept {
  TaskRecord& task = *self.task;
  const CxCore cx = sleep_->cx_;
  std::optional<Error> misuse = cx.is_of(task) ? std::nullopt : own_context_error(cx, "sleep");
  if (!misuse && !cx_has_timer(cx)) {
    misuse = Error(ErrorCode::MissingCapability,
                   "Cx::sleep: this context was given no timer (Capabilities::timer), without which nothing "
                   "can be waited for with a time");
  }
  if (misuse) {
    if (observed != nullptr) {
      *observed = Outcome<>::err(std::move(*misuse));
      return false;
    }
    end_with_error(self, std::move(*misuse));
    return true;
  }
  if (!begin_wait(task, sleep_wait, this)) {
    if (observed != nullptr && !task.word.load().escalated()) {
      task.word.apply([](TaskWord w) { return task_word::acknowledge(w); });
      *observed = Outcome<>::cancelled(task.kernel().reason_seen_by(task));
      return false;
    }
    refuse(task);
    return true;
  }
  timer.arm(task, sleep_->until_);
  return true;
}

void YieldAwaiter::start(PromiseBase& self) noexcept {
  TaskRecord& task = *self.task;
  std::optional<Error> misuse = cx.is_of(task) ? std::nullopt : own_context_error(cx, "yield");
  if (misuse) return end_with_error(self, std::move(*misuse));
  task.kernel().note_checkpoint(task);
  if (task.word.load().must_observe()) return refuse(task);
  signal(task, Signal::Yield);
}

}  // namespace detail

MaskGuard::MaskGuard(detail::CxCore cx) : task_(&detail::own(cx, "mask")) {
  if (detail::Kernel::extra(*task_).mask_depth == depth_max) {
    throw UsageError(Error(ErrorCode::MaskTooDeep, "Cx::mask: masks nest at most " + std::to_string(depth_max) +
                                                       " deep; task " + task_->path.to_string() +
                                                       " is at the bound")
                         .with_context("task", to_string(task_->id())));
  }
  task_->kernel().enter_mask(*task_);
}

MaskGuard::~MaskGuard() { task_->kernel().leave_mask(*task_); }

}  // namespace quiesce
