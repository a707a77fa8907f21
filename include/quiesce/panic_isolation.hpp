// Panic isolation: the boundary at which an escaped exception stops being an exception (rules P1 to P5).
//
// PanicIsolator runs an operation and gives a PanicIsolationResult<T>: Success with its value; Panicked with a
// PanicContext that says where, when and what; or Skipped, without having run it, because too many panics were
// isolated in its region. The runtime draws this boundary around the steps of tasks, finalizers, region
// clean-up, obligation handling and its own scheduling.
//
// Promises
// - An isolated exception, of any type, goes no further. Each is given an id that is unique in the isolator,
// counted, logged
//   with all its ids and reported to the metrics under its location's tag. What the log sink, the metrics
//   provider or the clock throws is swallowed.
// - Threshold: once `panic_threshold_per_region` panics were isolated in a region, further operations there are
// skipped; other
//   regions are not affected. Scheduler operations name no region: they are neither counted in one nor ever
//   skipped.
// - With task or finalizer isolation switched off, such an operation just runs and its exception goes on to the
// caller; it is
//   not counted, and not skipped.
// Refuses: a threshold window that is not positive (std::invalid_argument).
// Cost: an operation that succeeds pays for a try block and one relaxed load. A region's count exists from its
// first panic until `forget_region`; the runtime calls that when the region closes, as the last use of that id.
// Thread-safety: everything may be called from any thread at once. No lock is held while an operation, the sink
// or the provider runs. Nothing here is a cancellation point, and a cancel leaves nothing behind. Stack traces
// are taken where the exception is caught, since the frames that threw are gone by then: they show which
// worker, step or finalizer call caught it, not the throw expression.
//
//   quiesce::PanicIsolator isolator(quiesce::PanicIsolationConfig{.panic_threshold_per_region = 3}, metrics);
//   auto result = isolator.isolate_task_execution(task, region, poll_attempt, [&] { return step(task); });
//   if (result.is_panicked()) finish(task, quiesce::panic_to_outcome(result.panic_context()));
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "quiesce/ids.hpp"
#include "quiesce/outcome.hpp"
#include "quiesce/panic.hpp"
#include "quiesce/time.hpp"

namespace quiesce {

class LogSink;
class MetricsProvider;

// ---- Where ----

// `FinalizerType::Sync`, `FinalizerType::Async`, or a name of one's own: FinalizerType("flush journal").
class FinalizerType {
 public:
  enum Kind : std::uint8_t { Sync, Async, Custom };

  FinalizerType(Kind kind) : kind_(kind) {}  // NOLINT: the enumerators are meant to be passed as they are
  explicit FinalizerType(std::string_view name) : kind_(Custom), name_(name) {}
  static FinalizerType custom(std::string_view name) { return FinalizerType(name); }

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  // "Sync", "Async" or the custom name.
  [[nodiscard]] std::string_view name() const noexcept;

  friend bool operator==(const FinalizerType&, const FinalizerType&) = default;
  friend bool operator==(const FinalizerType& a, Kind kind) noexcept { return a.kind_ == kind; }

 private:
  Kind kind_;
  std::string name_;
};

enum class CleanupPhase : std::uint8_t { Finalizers, ObligationResolution, ResourceCleanup, StateTransition };

std::string_view to_string(CleanupPhase phase) noexcept;
std::string to_string(const FinalizerType& type);
std::ostream& operator<<(std::ostream& out, CleanupPhase phase);
std::ostream& operator<<(std::ostream& out, const FinalizerType& type);

// One of five places, with the ids that belong to it. Prints as
// `TaskExecution(task=T3.1, region=R1.1, poll=2)`, `FinalizerExecution(region=R1.1, type=Sync)`,
// `RegionCleanup(region=R1.1, phase=Finalizers)`, `ObligationHandling(obligation=O2.1, region=R1.1)`,
// `SchedulerInternal(worker=0, op=steal)` (or `worker=unknown`).
class PanicLocation {
 public:
  struct TaskExecution {
    TaskId task;
    RegionId region;
    std::uint64_t poll_attempt;
    friend bool operator==(const TaskExecution&, const TaskExecution&) = default;
  };
  struct FinalizerExecution {
    RegionId region;
    FinalizerType type;
    friend bool operator==(const FinalizerExecution&, const FinalizerExecution&) = default;
  };
  struct RegionCleanup {
    RegionId region;
    CleanupPhase phase;
    friend bool operator==(const RegionCleanup&, const RegionCleanup&) = default;
  };
  struct ObligationHandling {
    ObligationId obligation;
    RegionId region;
    friend bool operator==(const ObligationHandling&, const ObligationHandling&) = default;
  };
  struct SchedulerInternal {
    std::optional<std::uint32_t> worker;
    std::string operation;
    friend bool operator==(const SchedulerInternal&, const SchedulerInternal&) = default;
  };
  using Variant =
      std::variant<TaskExecution, FinalizerExecution, RegionCleanup, ObligationHandling, SchedulerInternal>;

  template <class Place>
  requires std::is_constructible_v<Variant, Place&&> &&
      (!std::is_same_v<std::remove_cvref_t<Place>, PanicLocation>)PanicLocation(Place&& place)
      : place_(std::forward<Place>(place)) {}  // NOLINT: each place is a location

  [[nodiscard]] const Variant& as_variant() const noexcept { return place_; }
  template <class Place>
  [[nodiscard]] const Place* get_if() const noexcept {
    return std::get_if<Place>(&place_);
  }

  // `task_execution`, `finalizer_execution`, `region_cleanup`, `obligation_handling`, `scheduler_internal`.
  [[nodiscard]] std::string_view tag() const noexcept;
  [[nodiscard]] std::optional<RegionId> region() const noexcept;
  [[nodiscard]] std::optional<TaskId> task() const noexcept;
  [[nodiscard]] std::optional<ObligationId> obligation() const noexcept;

  friend bool operator==(const PanicLocation&, const PanicLocation&) = default;

 private:
  Variant place_;
};

std::string to_string(const PanicLocation& location);
std::ostream& operator<<(std::ostream& out, const PanicLocation& location);

// ---- What ----

struct PanicContext {
  std::string panic_id;  // "panic-7", or "panic-0.3.1-7" when a logical path was given
  PanicLocation location;
  Time timestamp;
  std::string panic_message;
  std::optional<std::string> backtrace = {};
  std::optional<RegionId> region_id = {};
  std::optional<TaskId> task_id = {};
  std::optional<ObligationId> obligation_id = {};
  std::exception_ptr exception = {};  // null in the context of a skipped operation
  bool reached_threshold = false;     // this panic is the one that brought its region to the threshold
};

std::ostream& operator<<(std::ostream& out, const PanicContext& context);

// Why an operation was not run. Its text is `region R exceeded panic threshold N with M isolated panics`.
struct SkipReason {
  RegionId region;
  std::uint32_t threshold = 0;
  std::uint64_t isolated = 0;

  [[nodiscard]] std::string text() const;
  operator std::string() const { return text(); }  // NOLINT: a reason is read as its text

  friend bool operator==(const SkipReason&, const SkipReason&) = default;
  friend bool operator==(const SkipReason& reason, std::string_view text) { return reason.text() == text; }
};

std::string to_string(const SkipReason& reason);
std::ostream& operator<<(std::ostream& out, const SkipReason& reason);

// The payload has the id, trace and exception, and the message `panic-7: what was thrown`. Slab ids stay out of
// it, so that with a logical path it reads the same in every run (S8).
PanicPayload panic_to_payload(const PanicContext& context);

template <class T = void, class E = Error>
[[nodiscard]] Outcome<T, E> panic_to_outcome(const PanicContext& context) {
  return Outcome<T, E>::panicked(panic_to_payload(context));
}

namespace detail {

// What a result that is no success points to; a successful one carries a null pointer only.
struct IsolationFailure {
  PanicContext context;
  std::optional<SkipReason> skip;
};

[[noreturn]] void throw_bad_isolation_access(std::string_view wanted, const IsolationFailure* failure);

struct NoValue {};

}  // namespace detail

// Success(T), Panicked(context) or Skipped(reason, context); T may be void. Move-only. Asking for what it does
// not hold throws std::logic_error that says what it does hold.
template <class T>
class [[nodiscard]] PanicIsolationResult {
  static_assert(!std::is_reference_v<T>,
                "an isolated operation returns a value or void, not a reference: return a pointer");
  using Stored = std::conditional_t<std::is_void_v<T>, detail::NoValue, T>;

 public:
  template <class... Args>
  static PanicIsolationResult success(Args&&... args) {
    return PanicIsolationResult(std::in_place, std::forward<Args>(args)...);
  }
  static PanicIsolationResult panicked(PanicContext context) {
    return PanicIsolationResult(std::make_unique<detail::IsolationFailure>(std::move(context), std::nullopt));
  }
  static PanicIsolationResult skipped(SkipReason reason, PanicContext context) {
    return PanicIsolationResult(std::make_unique<detail::IsolationFailure>(std::move(context), reason));
  }

  [[nodiscard]] bool is_success() const noexcept { return failure_ == nullptr; }
  [[nodiscard]] bool is_panicked() const noexcept { return failure_ != nullptr && !failure_->skip.has_value(); }
  [[nodiscard]] bool is_skipped() const noexcept { return failure_ != nullptr && failure_->skip.has_value(); }

  T into_success() && {
    if (!is_success()) detail::throw_bad_isolation_access("the value", failure_.get());
    if constexpr (!std::is_void_v<T>) return std::move(*value_);
  }

  // Of the panic, or of the operation that was skipped.
  [[nodiscard]] const PanicContext& panic_context() const {
    if (is_success()) detail::throw_bad_isolation_access("the panic context", nullptr);
    return failure_->context;
  }

  [[nodiscard]] const SkipReason& skip_reason() const {
    if (!is_skipped()) detail::throw_bad_isolation_access("the skip reason", failure_.get());
    return *failure_->skip;
  }

  // Ok with the value, else Panicked; a skipped operation's message is the skip's reason.
  [[nodiscard]] Outcome<T> into_outcome() && {
    if (!is_success()) return panic_to_outcome<T>(failure_->context);
    if constexpr (std::is_void_v<T>) {
      return Outcome<T>::ok();
    } else {
      return Outcome<T>::ok(std::move(*value_));
    }
  }

 private:
  template <class... Args>
  explicit PanicIsolationResult(std::in_place_t, Args&&... args)
      : value_(std::in_place, std::forward<Args>(args)...) {}
  explicit PanicIsolationResult(std::unique_ptr<detail::IsolationFailure> failure)
      : failure_(std::move(failure)) {}

  std::optional<Stored> value_;
  std::unique_ptr<detail::IsolationFailure> failure_;
};

// ---- The isolator ----

namespace detail {
// Whether the library itself was built without NDEBUG; asked of it, so that every file gets the same answer.
[[nodiscard]] bool is_debug_build() noexcept;
}  // namespace detail

struct PanicIsolationConfig {
  // On in debug builds only. The first trace reads the debug information of the program and its libraries,
  // which takes tens of milliseconds and some 20 MB that stay; those after it cost microseconds.
  bool capture_backtraces = detail::is_debug_build();
  bool enable_panic_logging = true;
  // nullopt: unlimited. 0 skips everything that names a region from the start.
  std::optional<std::uint32_t> panic_threshold_per_region = 10;
  bool isolate_finalizer_panics = true;
  bool isolate_task_panics = true;
  // Counts only the panics of this last stretch of time, so that a region which has calmed down runs its
  // operations again. Without it a panic counts until the region is forgotten. At most `threshold` times are
  // kept per region, so the M of a skip's reason then stops at N.
  std::optional<Duration> threshold_window = {};
};

// Where timestamps and the window's time come from: the runtime's clock, virtual in the lab. Without a
// function: a monotonic clock that is at Time::zero() when the isolator is made.
struct PanicClock {
  Time (*now)(void* context) = nullptr;
  void* context = nullptr;
};

class PanicIsolator {
 public:
  explicit PanicIsolator(PanicIsolationConfig config = {}, std::shared_ptr<MetricsProvider> metrics = nullptr,
                         std::shared_ptr<LogSink> log = nullptr, PanicClock clock = {});
  ~PanicIsolator();
  PanicIsolator(const PanicIsolator&) = delete;
  PanicIsolator& operator=(const PanicIsolator&) = delete;

  // Each runs `f()` and gives PanicIsolationResult of what it returns. `logical`, the logical path of the task
  // or region, goes into the panic's id and log line.
  template <class F>
  auto isolate_task_execution(TaskId task, RegionId region, std::uint64_t poll_attempt, F&& f,
                              std::string_view logical = {}) {
    auto where = [&] { return PanicLocation(PanicLocation::TaskExecution{task, region, poll_attempt}); };
    return run_in_region(config_.isolate_task_panics, region, where, std::forward<F>(f), logical);
  }

  template <class F>
  auto isolate_finalizer_execution(RegionId region, const FinalizerType& type, F&& f,
                                   std::string_view logical = {}) {
    auto where = [&] { return PanicLocation(PanicLocation::FinalizerExecution{region, type}); };
    return run_in_region(config_.isolate_finalizer_panics, region, where, std::forward<F>(f), logical);
  }

  template <class F>
  auto isolate_region_cleanup(RegionId region, CleanupPhase phase, F&& f, std::string_view logical = {}) {
    auto where = [&] { return PanicLocation(PanicLocation::RegionCleanup{region, phase}); };
    return run_in_region(true, region, where, std::forward<F>(f), logical);
  }

  template <class F>
  auto isolate_obligation_handling(ObligationId obligation, RegionId region, F&& f,
                                   std::string_view logical = {}) {
    auto where = [&] { return PanicLocation(PanicLocation::ObligationHandling{obligation, region}); };
    return run_in_region(true, region, where, std::forward<F>(f), logical);
  }

  template <class F>
  auto isolate_scheduler_operation(std::optional<std::uint32_t> worker, std::string_view operation, F&& f,
                                   std::string_view logical = {}) {
    auto where = [&] {
      return PanicLocation(PanicLocation::SchedulerInternal{worker, std::string(operation)});
    };
    return run_caught(where, std::forward<F>(f), logical);
  }

  // The same in parts, for callers that have a catch of their own.
  //
  // The reason when operations of this region are to be skipped now. One relaxed load while no region has a
  // panic to its count.
  [[nodiscard]] std::optional<SkipReason> should_skip(RegionId region) const {
    if (!may_skip()) return std::nullopt;
    return look_up_skip(region);
  }
  // False: should_skip of any region gives nothing. One load.
  [[nodiscard]] bool may_skip() const noexcept { return may_skip_.load(std::memory_order_relaxed); }
  // Isolates a caught exception: gives it an id, counts, logs, reports to the metrics. Without memory for the
  // text the context has a short message instead; the panic is counted all the same where its region already
  // has a count.
  [[nodiscard]] PanicContext record(PanicLocation location, std::exception_ptr exception,
                                    std::string_view logical = {}) noexcept;
  // The context of an operation that is skipped: an id of its own, the reason as message. It is no panic and
  // counts nowhere but in skipped_total().
  [[nodiscard]] PanicContext record_skip(PanicLocation location, const SkipReason& reason,
                                         std::string_view logical = {}) noexcept;

  // Drops the region's count. A panic recorded under the same id afterwards begins a new one.
  void forget_region(RegionId region) noexcept;

  // Panics isolated in this region since it has a count, those that have left the window too.
  [[nodiscard]] std::uint64_t panic_count(RegionId region) const;
  [[nodiscard]] std::size_t counted_regions() const;
  [[nodiscard]] std::uint64_t isolated_total() const noexcept;
  [[nodiscard]] std::uint64_t skipped_total() const noexcept;
  [[nodiscard]] const PanicIsolationConfig& config() const noexcept { return config_; }

 private:
  template <class F>
  using ResultOf = PanicIsolationResult<std::invoke_result_t<F>>;

  template <class F>
  static ResultOf<F> run_bare(F&& f) {
    if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
      std::forward<F>(f)();
      return ResultOf<F>::success();
    } else {
      return ResultOf<F>::success(std::forward<F>(f)());
    }
  }

  template <class Where, class F>
  ResultOf<F> run_caught(const Where& where, F&& f, std::string_view logical) {
    try {
      return run_bare(std::forward<F>(f));
    } catch (...) { return ResultOf<F>::panicked(record(where(), std::current_exception(), logical)); }
  }

  template <class Where, class F>
  ResultOf<F> run_in_region(bool isolated, RegionId region, const Where& where, F&& f,
                            std::string_view logical) {
    if (!isolated) return run_bare(std::forward<F>(f));
    if (auto reason = should_skip(region)) {
      return ResultOf<F>::skipped(*reason, record_skip(where(), *reason, logical));
    }
    return run_caught(where, std::forward<F>(f), logical);
  }

  struct State;

  std::optional<SkipReason> look_up_skip(RegionId region) const;
  // Whether this panic brought the region to its threshold.
  bool count_panic(RegionId region, Time time);
  Time now() const noexcept;

  PanicIsolationConfig config_;
  // True while some region has a count (or the threshold is 0). Written under the counts' lock; read relaxed,
  // because whether an operation that runs beside a panic is skipped is nobody's promise, and one that comes
  // after it sees the value with whatever ordered it after.
  std::atomic<bool> may_skip_;
  std::unique_ptr<State> state_;
};

namespace detail {

// The calling thread's stack as text, one frame a line, without the innermost `skip` frames; file and line
// where the program has debug information. Empty when no frame could be read.
[[nodiscard]] std::string capture_stack_trace(std::size_t skip = 0);
// The same of addresses of calls that were noted earlier.
[[nodiscard]] std::string describe_frames(std::span<const std::uintptr_t> frames);

}  // namespace detail
}  // namespace quiesce
