#pragma once
// Cx: what a task knows about itself and what it may do.
//
// A small, trivially copyable, sendable handle that every task function takes first. `Cx` may do everything; BasicCx<Caps> only
// what its capability set names, checked when you compile: `cx.restrict<cap::Time>()` narrows, nothing widens.
// Another task's context may be read (ids, cancel state, time, capabilities); suspending, masking, acknowledging or drawing
// through it is refused with ForeignContext. A context whose task has ended is stale: it is refused with StaleContext, also
// when the runtime is gone. Refusals: `co_await` ends with that Err, checkpoint() gives it, everything else throws UsageError.
// Thread-safety: reading is safe from any thread. Cancel-safety: said at each function.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "quiesce/budget.hpp"
#include "quiesce/cancel.hpp"
#include "quiesce/detail/coro/promise.hpp"
#include "quiesce/ids.hpp"
#include "quiesce/logical.hpp"
#include "quiesce/outcome.hpp"
#include "quiesce/time.hpp"

namespace quiesce {

class Registry;
class Remote;
class Io;
class Pressure;
class Macaroon;
class EvidenceSink;
class BlockingPoolHandle;
class LogicalClock;

/// Capability sets: `cap::Union<cap::Spawn, cap::Time>`.
template <unsigned Bits>
struct CapSet {
  static constexpr unsigned bits = Bits;
};
namespace cap {
using None = CapSet<0>;
using Spawn = CapSet<1>;
using Time = CapSet<2>;
using Io = CapSet<4>;
using Random = CapSet<8>;
using Blocking = CapSet<16>;
using Remote = CapSet<32>;
using Registry = CapSet<64>;
using All = CapSet<127>;
template <class... Sets>
using Union = CapSet<(Sets::bits | ... | 0)>;
}  // namespace cap

/// A misuse that a value cannot report: a stale or foreign context where an answer is needed, masks nested too deep.
/// Thrown, so it panics the task that made the mistake.
class UsageError : public std::logic_error {
 public:
  explicit UsageError(Error error) : std::logic_error(error.message()), error_(std::move(error)) {}
  const Error& error() const noexcept { return error_; }

 private:
  Error error_;
};

namespace detail {

/// A pointer to a record, as its index: half of what one takes. Contexts are copied into every frame.
class TaskRef {
 public:
  TaskRef() = default;
  TaskRef(const TaskRecord* task) noexcept : index_(task == nullptr ? none : task->index) {}
  explicit TaskRef(std::uint32_t index) noexcept : index_(index) {}
  TaskRecord* get() const noexcept { return TaskSlab::at(index_); }
  operator TaskRecord*() const noexcept { return get(); }
  TaskRecord* operator->() const noexcept { return get(); }
  TaskRecord& operator*() const noexcept { return *get(); }
  std::uint32_t index() const noexcept { return index_; }
  bool operator==(const TaskRef&) const = default;
  bool operator==(const TaskRecord* task) const noexcept { return *this == TaskRef(task); }
  bool operator==(TaskRecord* task) const noexcept { return *this == TaskRef(task); }
  bool operator==(std::nullptr_t) const noexcept { return index_ == none; }

 private:
  static constexpr std::uint32_t none = TaskSlab::records_max;
  std::uint32_t index_ = none;
};

/// A context without its type: a record and the life that is meant.
struct CxCore {
  TaskRef task;
  std::uint32_t generation = 0;

  TaskId id() const noexcept { return {task == nullptr ? 0 : task.index(), generation}; }
  bool alive() const noexcept {
    const TaskRecord* record = task;
    return record != nullptr && record->generation.load(std::memory_order_acquire) == generation &&
           !record->word.load().done();
  }
  /// Is it the context of this task, which runs?
  bool is_of(const TaskRecord& running) const noexcept {
    return task.index() == running.index && generation == running.generation.load(std::memory_order_relaxed);
  }
};
static_assert(sizeof(CxCore) == 8);

/// Reading through a context: throws UsageError(StaleContext) when its task has ended.
TaskRecord& readable(CxCore cx, const char* what);
/// Acting through a context: it must be the running task's own. The error otherwise.
std::optional<Error> own_context_error(CxCore cx, const char* what);

template <unsigned Have, unsigned Need>
concept Holds = (Have & Need) == Need;

// src/scope/cx.cpp
RegionId cx_region_id(CxCore cx);
std::string cx_path(CxCore cx);
Budget cx_budget(CxCore cx);
Time cx_now(CxCore cx);
/// For what is to begin to count now (detail/kernel/clock.hpp).
Time cx_now_at_the_latest(CxCore cx);
std::optional<Duration> cx_remaining(CxCore cx);
bool cx_charge(CxCore cx, std::uint64_t cost);
bool cx_is_cancel_requested(CxCore cx);
std::optional<CancelReason> cx_cancel_reason(CxCore cx);
Outcome<> cx_checkpoint(CxCore cx);
/// True: `cx_checkpoint` would say Ok, and need tell nobody.
bool cx_passes_checkpoint(CxCore cx) noexcept;
bool cx_is_shutting_down(CxCore cx);
std::uint64_t cx_random(CxCore cx);
std::uint64_t cx_random_index(CxCore cx, std::uint64_t n);
void cx_trace(CxCore cx, std::string_view name, std::string_view value);
std::shared_ptr<Registry> cx_registry(CxCore cx);
std::shared_ptr<Remote> cx_remote(CxCore cx);
std::shared_ptr<Io> cx_io(CxCore cx);
std::shared_ptr<BlockingPoolHandle> cx_blocking_pool(CxCore cx);
std::shared_ptr<Pressure> cx_pressure(CxCore cx);
std::shared_ptr<Macaroon> cx_macaroon(CxCore cx);
std::shared_ptr<EvidenceSink> cx_evidence(CxCore cx);
std::shared_ptr<LogicalClock> cx_logical_clock(CxCore cx);
bool cx_has_timer(CxCore cx);

struct SleepAwaiter;
struct ObservedSleepAwaiter;
struct YieldAwaiter;
class SleepOperation;  // detail/sync/select.hpp

}  // namespace detail

/// `co_await cx.sleep(d)`: see BasicCx::sleep. `co_await cx.sleep(d).outcome()` gives Outcome<> instead of ending the coroutine.
class [[nodiscard]] Sleep {
 public:
  using quiesce_awaiter = detail::SleepAwaiter;
  using quiesce_operation = detail::SleepOperation;
  /// Observed: a request shows as Cancelled.
  class Observed;

  Sleep(detail::CxCore cx, Time until) : cx_(cx), until_(until) {}
  Observed outcome() const;

 private:
  friend detail::SleepAwaiter;
  friend detail::SleepOperation;
  detail::CxCore cx_;
  Time until_;
};
class [[nodiscard]] Sleep::Observed {
 public:
  using quiesce_awaiter = detail::ObservedSleepAwaiter;
  explicit Observed(const Sleep& sleep) : sleep_(sleep) {}
  const Sleep& detail_sleep() const noexcept { return sleep_; }

 private:
  friend detail::ObservedSleepAwaiter;
  Sleep sleep_;
};
inline Sleep::Observed Sleep::outcome() const { return Observed(*this); }

/// `co_await cx.yield()`.
class [[nodiscard]] Yield {
 public:
  using quiesce_awaiter = detail::YieldAwaiter;
  explicit Yield(detail::CxCore cx) : cx_(cx) {}

 private:
  friend detail::YieldAwaiter;
  detail::CxCore cx_;
};

/// While it lives, cancel requests wait: checkpoints succeed and waits are not woken (C7). Nests up to 64 deep. From the moment
/// a request is there, or the outermost guard if that is later, a clean-up budget of steps and time runs; when it is spent
/// the mask counts as 0. Destroying it is not a checkpoint. Not movable; it belongs to the task that made it.
class [[nodiscard]] MaskGuard {
 public:
  static constexpr std::uint32_t depth_max = 64;
  explicit MaskGuard(detail::CxCore cx);
  ~MaskGuard();
  MaskGuard(const MaskGuard&) = delete;
  MaskGuard& operator=(const MaskGuard&) = delete;

 private:
  detail::TaskRecord* task_;
};

namespace detail {

// `start` gives true when the coroutine stays suspended.
/// Points at the awaitable, which lives in the awaiting frame until the expression has ended.
struct SleepAwaiter {
  explicit SleepAwaiter(const Sleep& sleep) : sleep_(&sleep) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> self) noexcept {
    return start(self.promise());
  }
  void await_resume() const noexcept {}
  bool start(PromiseBase& self) noexcept;

  WakeTimer timer;
  std::optional<Outcome<>>* observed = nullptr;  // where to show what would otherwise end the coroutine

 private:
  const Sleep* sleep_;
};

struct ObservedSleepAwaiter : SleepAwaiter {
  explicit ObservedSleepAwaiter(const Sleep::Observed& what) : SleepAwaiter(what.sleep_) {}
  template <class P>
  bool await_suspend(std::coroutine_handle<P> self) noexcept {
    observed = &ended_;
    return start(self.promise());
  }
  Outcome<> await_resume() { return ended_ ? std::move(*ended_) : Outcome<>::ok(); }

 private:
  std::optional<Outcome<>> ended_;
};

struct YieldAwaiter {
  CxCore cx;

  explicit YieldAwaiter(Yield yield) : cx(yield.cx_) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> self) noexcept {
    start(self.promise());
  }
  void await_resume() const noexcept {}
  void start(PromiseBase& self) noexcept;
};

}  // namespace detail

template <class Caps = cap::All>
class BasicCx {
 public:
  using capabilities = Caps;

  BasicCx() = default;
  explicit BasicCx(detail::CxCore core) : core_(core) {}
  /// Narrowing is implicit; widening does not compile.
  template <class Wider>
  requires(Wider::bits != Caps::bits) BasicCx(const BasicCx<Wider>& wider) : core_(wider.core()) {
    static_assert(detail::Holds<Wider::bits, Caps::bits>,
                  "quiesce: a context cannot be widened: it would gain capabilities that it was not given");
  }
  /// The same context with fewer capabilities.
  template <class Narrower>
  BasicCx<Narrower> restrict() const {
    static_assert(detail::Holds<Caps::bits, Narrower::bits>,
                  "quiesce: a context cannot be widened: it would gain capabilities that it was not given");
    return BasicCx<Narrower>(core_);
  }

  // ---- identity ----
  RegionId region_id() const { return detail::cx_region_id(core_); }
  TaskId task_id() const noexcept { return core_.id(); }
  /// The path of ordinals from the root, the same in every run: what messages and traces print (S8).
  std::string path() const { return detail::cx_path(core_); }
  LogicalId logical_id() const { return detail::readable(core_, "logical_id").logical(); }
  /// False when the task has ended.
  bool is_valid() const noexcept { return core_.alive(); }

  // ---- time and budget ----
  Budget budget() const { return detail::cx_budget(core_); }
  /// The context's clock: monotonic in production, virtual in the Stepper and the lab. Some 25 ns.
  Time now() const { return detail::cx_now(core_); }
  /// Until the deadline of the effective budget; nullopt when there is none; not below zero.
  std::optional<Duration> remaining() const { return detail::cx_remaining(core_); }
  /// Spends from the cost quotas of the region and its ancestors; one that is exhausted is cancelled (B4). False then.
  bool charge(std::uint64_t cost) const { return detail::cx_charge(core_, cost); }

  // ---- cancellation ----
  /// A request has reached the task, whether masked or not. Not a checkpoint.
  bool is_cancel_requested() const { return detail::cx_is_cancel_requested(core_); }
  std::optional<CancelReason> cancel_reason() const { return detail::cx_cancel_reason(core_); }
  /// A cancel point without waiting: Cancelled(reason) when a request is there and no mask holds it off, and from then on
  /// every time (C7). Test the outcome, or `co_await` it to end the coroutine with it. Never blocks; some nanoseconds.
  Outcome<> checkpoint() const {
    if (detail::cx_passes_checkpoint(core_)) [[likely]]
      return Outcome<>::ok();
    return detail::cx_checkpoint(core_);
  }
  MaskGuard mask() const { return MaskGuard(core_); }
  /// The runtime has begun to shut down (its soft stage): finish what you can, start nothing.
  bool is_shutting_down() const { return detail::cx_is_shutting_down(core_); }

  // ---- scheduling ----
  /// Lets others run; a cancel point. The task goes to the end of its lane.
  Yield yield() const { return Yield(core_); }
  /// A cancel point: a request ends it early and leaves no timer behind. Never returns early otherwise; late by a tick of
  /// the timer wheel (about 1 ms) and the scheduling delay.
  Sleep sleep(Duration duration) const {
    static_assert(detail::Holds<Caps::bits, cap::Time::bits>,
                  "quiesce: this context lacks the capability Time (cap::Time), which sleep needs");
    return Sleep(core_, detail::cx_now_at_the_latest(core_) + duration);
  }
  Sleep sleep_until(Time time) const {
    static_assert(detail::Holds<Caps::bits, cap::Time::bits>,
                  "quiesce: this context lacks the capability Time (cap::Time), which sleep_until needs");
    return Sleep(core_, time);
  }

  // ---- entropy: split by logical id, so the same in every run with the same seed ----
  std::uint64_t random_u64() const {
    static_assert(detail::Holds<Caps::bits, cap::Random::bits>,
                  "quiesce: this context lacks the capability Random (cap::Random), which random_u64 needs");
    return detail::cx_random(core_);
  }
  /// Uniform in [0, n); n must not be 0.
  std::uint64_t random_index(std::uint64_t n) const {
    static_assert(detail::Holds<Caps::bits, cap::Random::bits>,
                  "quiesce: this context lacks the capability Random (cap::Random), which random_index needs");
    return detail::cx_random_index(core_, n);
  }

  // ---- tracing: to the runtime's log sink, with the task's path ----
  void trace(std::string_view message) const { detail::cx_trace(core_, message, {}); }
  void trace(std::string_view name, std::string_view value) const { detail::cx_trace(core_, name, value); }
  void trace(std::string_view name, std::int64_t value) const {
    detail::cx_trace(core_, name, std::to_string(value));
  }

  // ---- capabilities: null when the context was not given one ----
  std::shared_ptr<Registry> registry() const {
    static_assert(detail::Holds<Caps::bits, cap::Registry::bits>,
                  "quiesce: this context lacks the capability Registry (cap::Registry), which registry needs");
    return detail::cx_registry(core_);
  }
  std::shared_ptr<Remote> remote() const {
    static_assert(detail::Holds<Caps::bits, cap::Remote::bits>,
                  "quiesce: this context lacks the capability Remote (cap::Remote), which remote needs");
    return detail::cx_remote(core_);
  }
  std::shared_ptr<Io> io() const {
    static_assert(detail::Holds<Caps::bits, cap::Io::bits>,
                  "quiesce: this context lacks the capability Io (cap::Io), which io needs");
    return detail::cx_io(core_);
  }
  std::shared_ptr<BlockingPoolHandle> blocking_pool() const {
    static_assert(
        detail::Holds<Caps::bits, cap::Blocking::bits>,
        "quiesce: this context lacks the capability Blocking (cap::Blocking), which blocking_pool needs");
    return detail::cx_blocking_pool(core_);
  }
  std::shared_ptr<Pressure> pressure() const { return detail::cx_pressure(core_); }
  std::shared_ptr<Macaroon> macaroon() const { return detail::cx_macaroon(core_); }
  std::shared_ptr<EvidenceSink> evidence() const { return detail::cx_evidence(core_); }
  std::shared_ptr<LogicalClock> logical_clock() const { return detail::cx_logical_clock(core_); }
  bool has_timer() const { return Caps::bits & cap::Time::bits ? detail::cx_has_timer(core_) : false; }

  const detail::CxCore& core() const noexcept { return core_; }
  friend bool operator==(const BasicCx& a, const BasicCx& b) {
    return a.core_.task == b.core_.task && a.core_.generation == b.core_.generation;
  }

 private:
  detail::CxCore core_;
};

/// The context of an unrestricted task.
using Cx = BasicCx<cap::All>;

}  // namespace quiesce
