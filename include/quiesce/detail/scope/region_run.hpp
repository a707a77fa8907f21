#pragma once
// Opening a region, running its body in it, and awaiting its close (rules R4 to R6, R10, O2).
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "quiesce/detail/scope/scope_core.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

template <class P>
class Scope;

/// How a region is opened, beyond its policy. Everything has a default; combine as needed:
///   q::RegionOptions().with_budget(b).with_limits({.max_tasks = 8}).bounded()
class RegionOptions {
 public:
  RegionOptions() = default;
  RegionOptions with_budget(const Budget& budget) const {
    return changed([&](auto& o) { o.budget_ = budget; });
  }
  RegionOptions with_limits(const RegionLimits& limits) const {
    return changed([&](auto& o) { o.limits_ = limits; });
  }
  /// The clean-up budget of masks and finalizers in this region and below, instead of the defaults by rank.
  RegionOptions with_cleanup(CleanupBudget cleanup) const {
    return changed([&](auto& o) { o.cleanup_ = cleanup; });
  }
  /// Past the clean-up budget of a cancel request, tasks that ignore it are destroyed where they next wait (C10).
  RegionOptions bounded() const {
    return changed([](auto& o) { o.bounded_ = true; });
  }

  const Budget& budget() const { return budget_; }
  const RegionLimits& limits() const { return limits_; }
  const std::optional<CleanupBudget>& cleanup() const { return cleanup_; }
  bool is_bounded() const { return bounded_; }

 private:
  template <class Change>
  RegionOptions changed(Change change) const {
    RegionOptions copy(*this);
    change(copy);
    return copy;
  }
  Budget budget_ = Budget::infinite();
  RegionLimits limits_;
  std::optional<CleanupBudget> cleanup_;
  bool bounded_ = false;
};

namespace detail {

/// A region that has been opened with its body's record admitted and not yet published.
struct OpenedRegion {
  ScopeCore scope;
  TaskRecord* body = nullptr;
  CxCore body_cx() const { return {body, body->generation.load(std::memory_order_relaxed)}; }
};

/// Opens a region below the calling task's own. `scope`: must be of that region; nullopt: there is none to check.
std::expected<OpenedRegion, Error> open_task_region(std::optional<ScopeCore> scope, CxCore cx,
                                                    const RegionOptions& options, const PolicyOps* policy,
                                                    void* instance, RegionResult& result);
/// The factory threw: the body's record and count go, the region is cancelled and closes.
void abandon_body(OpenedRegion& opened) noexcept;
/// The body has been looked at: its record may go.
void release_body(TaskRecord& body) noexcept;
/// R3: is this refusal to end the task Cancelled with the reason that it carries?
bool refusal_is_cancellation(const Error& error, TaskRecord& task);

/// Publishes the body (if there is one) and waits, uncancellably, until the region has closed.
struct RegionAwaiter {
  OpenedRegion& opened;
  RegionResult& result;
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> self) noexcept {
    start(*self.promise().task);
  }
  void await_resume() const noexcept {}
  void start(TaskRecord& task) noexcept;
};
struct RegionWait {
  using quiesce_awaiter = RegionAwaiter;
  OpenedRegion& opened;
  RegionResult& result;
  operator RegionAwaiter() const { return {opened, result}; }
};

/// The region's outcome: the body's, its children's and R10's, the worst first, the first of equals standing.
template <class T, class E>
Outcome<T, E> combine(Outcome<T, E>&& body, RegionResult&& result) {
  using Result = Outcome<T, E>;
  std::optional<Result> failures;
  if (!result.failures.is_ok()) failures.emplace(std::move(result.failures).template failure_as<T, E>());
  if (body.is_cancelled()) {
    if (result.cancelled) {
      body = Result::cancelled(*result.cancelled);
    } else if (failures && own_cancellation(body.cancel_reason(), result.id)) {
      return std::move(*failures);
    }
  }
  if (result.cancelled && !body.is_cancelled()) {
    // R10: even if the body returned a value.
    Result request = Result::cancelled(*result.cancelled);
    body = body.is_ok() ? std::move(request) : std::move(body).join(std::move(request));
  }
  if (!failures) return std::move(body);
  if (body.is_ok()) return std::move(*failures);
  return result.body_failed_first ? std::move(body).join(std::move(*failures))
                                  : std::move(*failures).join(std::move(body));
}

/// `co_await FinishWith{outcome}` ends the coroutine with this outcome as it is, Ok or not.
template <class T, class E>
struct FinishAwaiter {
  Outcome<T, E> outcome;
  explicit FinishAwaiter(Outcome<T, E>&& o) : outcome(std::move(o)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<Promise<T, E>> self) noexcept {
    self.promise().put(std::move(outcome));
    end_here(self.promise());
  }
  [[noreturn]] T await_resume() const noexcept { std::terminate(); }
};
template <class T, class E>
struct FinishWith {
  using quiesce_awaiter = FinishAwaiter<T, E>;
  Outcome<T, E> outcome;
  explicit FinishWith(Outcome<T, E>&& o) : outcome(std::move(o)) {}
  operator FinishAwaiter<T, E>() && { return FinishAwaiter<T, E>(std::move(outcome)); }
};

template <class Body, class CxType, class P>
using BodyTask = std::remove_cvref_t<decltype(std::declval<std::remove_reference_t<Body>&>()(
    std::declval<CxType>(), std::declval<Scope<P>&>()))>;

/// The coroutine behind every `region`. Body is a reference type for a named body, a value for a temporary one.
template <class T, class E, class P, class CxType, class Body>
Task<T, E> run_region(std::optional<ScopeCore> scope, CxType cx, RegionOptions options, P policy, Body body) {
  RegionResult result;
  auto opened = open_task_region(scope, cx.core(), options, &PolicyOpsOf<P>::ops, &policy, result);
  if (!opened) {
    Outcome<T, E> refused = refusal_is_cancellation(opened.error(), *current_task())
                                ? Outcome<T, E>::cancelled(*opened.error().cancel_reason())
                                : Outcome<T, E>::err(E(opened.error()));
    FinishWith<T, E> refusal(std::move(refused));
    co_await std::move(refusal);
  }
  Scope<P> inner(opened->scope);
  std::exception_ptr thrown;
  try {
    detail_install(*opened->body, body(CxType(opened->body_cx()), inner));
  } catch (...) {
    thrown = std::current_exception();
    abandon_body(*opened);
  }
  RegionWait closed{*opened, result};
  co_await closed;
  if (thrown) std::rethrow_exception(thrown);
  TaskRecord* body_record = opened->body;
  Outcome<T, E> ended = combine(std::move(RecordResult<T, E>::get(*body_record)), std::move(result));
  release_body(*body_record);
  FinishWith<T, E> finish(std::move(ended));
  co_await std::move(finish);
}

}  // namespace detail
}  // namespace quiesce
