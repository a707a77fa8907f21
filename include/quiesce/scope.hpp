#pragma once
// Scope<P>: what a region lets you start in it.
//
// A scope names one life of one region and its policy P (quiesce/policy.hpp). Copyable, small, sendable; using one after its
// region closed is refused with RegionNotFound, after it was cancelled or has begun to close with RegionClosed.
//   spawn(cx, f, args...)          f: a function or captureless callable Task<T>(Cx, Args...); may run on any worker, so every
//                                  argument and the result must be Sendable (quiesce/sendable.hpp)
//   launch(cx, f, args...)         the same without a handle: a failure goes to the policy at once
//   spawn_local(cx, f, args...)    pinned to this worker; may capture and borrow what outlives the region
//   spawn_blocking(cx, f, args...) f: an ordinary function R(Cx, Args...), on the blocking pool
//   region(cx, policy, body)       a child region, awaited: it has closed when the await returns; the body may capture by reference
//   join, try_join, race, hedge, timeout, start: combinators, below
// A refusal is a SpawnError value and leaves no trace: no count, no list, no handle. If making the coroutine throws, the exception
// passes through the same way. Arguments are decayed and moved into the task. `co_await scope.spawn(...)` gives the handle.
// Thread-safety: all but region and the combinators may be called from any thread. Cancel-safety: nothing here but region
// and the combinators waits, so nothing is cancelled half-way.
#include <concepts>
#include <expected>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "quiesce/cx.hpp"
#include "quiesce/detail/core/soundness.hpp"
#include "quiesce/detail/scope/blocking_call.hpp"
#include "quiesce/detail/scope/combinators.hpp"
#include "quiesce/detail/scope/obligation_token.hpp"
#include "quiesce/detail/scope/region_run.hpp"
#include "quiesce/detail/scope/scope_core.hpp"
#include "quiesce/handle.hpp"
#include "quiesce/policy.hpp"
#include "quiesce/rref.hpp"
#include "quiesce/sendable.hpp"
#include "quiesce/started.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

namespace detail {

/// Keeps a callable with state alive until its coroutine has ended, and ends as that does.
template <class T, class E, class F, class CxType, class... Args>
Task<T, E> keep_callable(F function, CxType cx, Args... args) {
  auto task = function(cx, unwrap_unsafe(args)...);
  Outcome<T, E> outcome = co_await std::move(task).outcome();
  FinishWith<T, E> finish(std::move(outcome));
  co_await std::move(finish);
}

/// Makes the coroutine. A function pointer or an empty callable need not be kept.
template <class T, class E, class F, class CxType, class... Args>
Task<T, E> make_task(F&& function, CxType cx, Args&&... args) {
  using Function = std::decay_t<F>;
  if constexpr (std::is_pointer_v<Function> || std::is_empty_v<Function>) {
    return function(cx, receive_argument(std::forward<Args>(args))...);
  } else {
    return keep_callable<T, E, Function, CxType, std::decay_t<Args>...>(std::forward<F>(function), cx,
                                                                        std::forward<Args>(args)...);
  }
}

template <class F>
struct AsyncFinalizer final : FinalizerNode {
  F function;
  template <class G>
  explicit AsyncFinalizer(G&& f) : function(std::forward<G>(f)) {
    async = true;
  }
  void start(TaskRecord& task) override {
    detail_install(task, function(Cx(CxCore{&task, task.generation.load(std::memory_order_relaxed)})));
  }
};

/// What a spawn that passed `Check` gives. Named in signatures, so that a refusal is the first thing the compiler says.
template <class Check>
struct SpawnedOf {
  using type = std::expected<TaskHandle<typename Check::value_type, typename Check::error_type>, SpawnError>;
};

}  // namespace detail

template <class P = FailFast>
class Scope {
  template <class Check>
  using Spawned = typename detail::SpawnedOf<Check>::type;
  static_assert(Policy<P>,
                "quiesce: Scope<P>: P must be a policy (quiesce/policy.hpp), such as FailFast or CollectAll");

 public:
  using policy = P;
  explicit Scope(detail::ScopeCore core) : core_(core) {}

  RegionId region_id() const noexcept { return core_.id(); }
  /// The effective budget of the region; infinite once it has closed.
  Budget budget() const { return detail::scope_budget(core_).value_or(Budget::infinite()); }
  /// Requests cancellation of the whole region and begins to close it; returns at once.
  void cancel(const CancelReason& reason) const noexcept { detail::scope_cancel(core_, reason); }
  /// Begins to close: nothing more can be spawned; what runs goes on.
  void close() const noexcept { detail::scope_close(core_); }

  template <class Caps, class F, class... Args>
  auto spawn(const BasicCx<Caps>& cx, F&& f, Args&&... args) const
      -> Spawned<detail::spawn_check<F, BasicCx<Caps>, Args...>> {
    static_assert(detail::Holds<Caps::bits, cap::Spawn::bits>,
                  "quiesce: this context lacks the capability Spawn (cap::Spawn), which spawn needs");
    using Check = detail::spawn_check<F, BasicCx<Caps>, Args...>;
    return start_task<typename Check::value_type, typename Check::error_type>(
        detail::TaskTier::Task, cx, std::forward<F>(f), std::forward<Args>(args)...);
  }
  template <class Caps, class F, class... Args>
  auto spawn_task(const BasicCx<Caps>& cx, F&& f, Args&&... args) const
      -> Spawned<detail::spawn_check<F, BasicCx<Caps>, Args...>> {
    return spawn(cx, std::forward<F>(f), std::forward<Args>(args)...);
  }
  template <class Caps, class F, class... Args>
  auto spawn_local(const BasicCx<Caps>& cx, F&& f, Args&&... args) const
      -> Spawned<detail::local_spawn_check<F, BasicCx<Caps>, Args...>> {
    static_assert(detail::Holds<Caps::bits, cap::Spawn::bits>,
                  "quiesce: this context lacks the capability Spawn (cap::Spawn), which spawn_local needs");
    using Check = detail::local_spawn_check<F, BasicCx<Caps>, Args...>;
    return start_task<typename Check::value_type, typename Check::error_type>(
        detail::TaskTier::Local, cx, std::forward<F>(f), std::forward<Args>(args)...);
  }
  template <class Caps, class F, class... Args>
  auto launch(const BasicCx<Caps>& cx, F&& f, Args&&... args) const
      -> std::expected<std::enable_if_t<detail::spawn_check<F, BasicCx<Caps>, Args...>::done>, SpawnError> {
    static_assert(detail::Holds<Caps::bits, cap::Spawn::bits>,
                  "quiesce: this context lacks the capability Spawn (cap::Spawn), which launch needs");
    using Check = detail::spawn_check<F, BasicCx<Caps>, Args...>;
    std::unique_ptr<SpawnError> refusal;
    detail::PendingSpawn pending(detail::begin_spawn(core_, cx.core(), detail::TaskTier::Task,
                                                     &detail::PolicyOpsOf<P>::ops, false, refusal));
    if (!pending) return std::unexpected(std::move(*refusal));
    detail::TokenMoveOf<Args...> tokens(pending.record());
    if (auto refused = detail::move_tokens(tokens, args...)) return std::unexpected(SpawnError(*refused));
    install<typename Check::value_type, typename Check::error_type, Caps>(pending, std::forward<F>(f),
                                                                          std::forward<Args>(args)...);
    tokens.keep();
    pending.publish();
    return {};
  }
  /// `f` runs to its end on a thread of the pool: it is not interrupted, but may ask its Cx. A request that comes before it has
  /// started ends the task Cancelled without running it. A function that returns an Outcome or a std::expected ends the task so.
  template <class Caps, class F, class... Args>
  auto spawn_blocking(const BasicCx<Caps>& cx, F&& f, Args&&... args) const
      -> Spawned<detail::blocking_check<F, BasicCx<Caps>, Args...>> {
    static_assert(
        detail::Holds<Caps::bits, cap::Blocking::bits>,
        "quiesce: this context lacks the capability Blocking (cap::Blocking), which spawn_blocking needs");
    using Check = detail::blocking_check<F, BasicCx<Caps>, Args...>;
    using T = typename Check::value_type;
    using E = typename Check::error_type;
    using Result = std::expected<TaskHandle<T, E>, SpawnError>;
    std::unique_ptr<SpawnError> refusal;
    detail::PendingSpawn pending(detail::begin_spawn(core_, cx.core(), detail::TaskTier::Blocking,
                                                     &detail::PolicyOpsOf<P>::ops, true, refusal));
    if (!pending) return Result(std::unexpected(std::move(*refusal)));
    detail::TokenMoveOf<Args...> tokens(pending.record());
    if (auto refused = detail::move_tokens(tokens, args...))
      return Result(std::unexpected(SpawnError(*refused)));
    using Call = detail::BlockingCall<T, E, std::decay_t<F>, BasicCx<Caps>, std::decay_t<Args>...>;
    auto call = std::make_unique<Call>(pending.record(), BasicCx<Caps>(pending.cx()), std::forward<F>(f),
                                       std::forward<Args>(args)...);
    tokens.keep();
    TaskHandle<T, E> handle(pending.release());
    detail::TaskRecord& record = *handle.detail_record();
    record.result_ops = &detail::RecordResult<T, E>::empty_ops;
    detail::publish_blocking(record, *call.release());
    return Result(std::move(handle));
  }

  /// Opens a child region with `policy2`, runs `body` in it as a task of its own, and awaits its close. The await is never cut short:
  /// a request reaches the region, and what runs in it, instead (R6).
  template <class Caps, class P2, class Body>
  auto region(const BasicCx<Caps>& cx, P2 policy2, Body&& body) const {
    return region_with(cx, RegionOptions(), std::move(policy2), std::forward<Body>(body));
  }
  template <class Caps, class P2, class Body>
  auto region_with_budget(const BasicCx<Caps>& cx, const Budget& budget, P2 policy2, Body&& body) const {
    return region_with(cx, RegionOptions().with_budget(budget), std::move(policy2), std::forward<Body>(body));
  }
  template <class Caps, class P2, class Body>
  auto region_with(const BasicCx<Caps>& cx, const RegionOptions& options, P2 policy2, Body&& body) const {
    using Check = detail::body_check<Body, BasicCx<Caps>, Scope<P2>>;
    return detail::run_region<typename Check::value_type, typename Check::error_type, P2, BasicCx<Caps>, Body>(
        core_, cx, options, std::move(policy2), std::forward<Body>(body));
  }

  /// Runs when everything in the region has ended, newest first, masked, on a worker (F1). It may capture.
  template <class F>
  std::expected<void, RegionError> defer_sync(F&& f) const {
    static_assert(detail::SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
    return detail::scope_defer(core_,
                               std::make_unique<detail::SyncFinalizer<std::decay_t<F>>>(std::forward<F>(f)));
  }
  /// The same with a coroutine Task<>(Cx), under a bounded budget (F2).
  template <class F>
  std::expected<void, RegionError> defer_async(F&& f) const {
    static_assert(detail::SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
    return detail::scope_defer(core_,
                               std::make_unique<detail::AsyncFinalizer<std::decay_t<F>>>(std::forward<F>(f)));
  }
  /// A value that lives until the region's last finalizer has run (R9).
  template <class T, class... Args>
  std::expected<RRef<T>, RegionError> heap_alloc(Args&&... args) const {
    auto slot = detail::scope_heap_put(
        core_, std::make_unique<detail::HeapValue<std::remove_const_t<T>>>(std::forward<Args>(args)...),
        sizeof(T));
    if (!slot) return std::unexpected(std::move(slot).error());
    return RRef<T>(*slot);
  }

  // ---- combinators: of handles from anywhere, by a task of this scope's own region (R11). When cancelled while waiting they ask
  // ---- their branches to stop, drain them, and end Cancelled (J6).

  /// All, whatever the outcomes, in the order of the handles: a tuple of Outcomes.
  template <class Caps, class... Ts, class... Es>
  auto join(const BasicCx<Caps>& cx, TaskHandle<Ts, Es>... handles) const {
    return detail::join_handles(core_, cx.core(), std::move(handles)...);
  }
  /// The same for a vector.
  template <class Caps, class T, class E>
  auto join_all(const BasicCx<Caps>& cx, std::vector<TaskHandle<T, E>> handles) const {
    return detail::join_all_handles(core_, cx.core(), std::move(handles));
  }
  /// All values (std::monostate for void), or the first failure once the rest has been cancelled (FailFast) and has ended.
  template <class Caps, class... Ts, class... Es>
  auto try_join(const BasicCx<Caps>& cx, TaskHandle<Ts, Es>... handles) const {
    return detail::try_join_handles(core_, cx.core(), std::move(handles)...);
  }
  template <class Caps, class T, class E>
  auto try_join_all(const BasicCx<Caps>& cx, std::vector<TaskHandle<T, E>> handles) const {
    return detail::try_join_all_handles(core_, cx.core(), std::move(handles));
  }
  /// The first terminal outcome; among several that are ready the context's entropy draws. The others are cancelled (RaceLost) and
  /// have ended when it returns.
  template <class Caps, class T, class E, class... More>
  auto race(const BasicCx<Caps>& cx, TaskHandle<T, E> first, More... more) const {
    return detail::race_value<T, E>(core_, cx.core(),
                                    detail::handle_list(std::move(first), std::move(more)...));
  }
  /// The same for a vector, with the winner's index. An empty race never completes, and can be cancelled.
  template <class Caps, class T, class E>
  auto race_all(const BasicCx<Caps>& cx, std::vector<TaskHandle<T, E>> handles) const {
    return detail::race_handles<T, E>(core_, cx.core(), std::move(handles));
  }
  /// The task's outcome, or Err(TimedOut) once it was cancelled (Timeout) and has ended; a value or panic of the drain stands (J5).
  template <class Caps, class T, class E>
  auto timeout(const BasicCx<Caps>& cx, Duration duration, TaskHandle<T, E> handle) const {
    static_assert(detail::Holds<Caps::bits, cap::Time::bits>,
                  "quiesce: this context lacks the capability Time (cap::Time), which timeout needs");
    return detail::timeout_handle<T, E>(core_, cx.core(), duration, std::move(handle));
  }
  /// `primary` alone until the delay; then it races against `backup` (J3). Both as for spawn, without arguments.
  template <class Caps, class F, class G>
  auto hedge(const BasicCx<Caps>& cx, Duration delay, F&& primary, G&& backup) const {
    static_assert(detail::Holds<Caps::bits, cap::Time::bits>,
                  "quiesce: this context lacks the capability Time (cap::Time), which hedge needs");
    using Handle = typename decltype(spawn(cx, std::forward<F>(primary)))::value_type;
    if (auto misuse = detail::combinator_misuse(core_, cx.core(), {}, "hedge"))
      return detail::refuse_combinator<typename Handle::value_type>(std::move(*misuse));
    auto spawned = spawn(cx, std::forward<F>(primary));
    auto spawn_backup = [scope = *this, cx, backup = std::decay_t<G>(std::forward<G>(backup))]() mutable {
      return scope.spawn(cx, std::move(backup));
    };
    return detail::hedge_tasks<typename Handle::value_type, typename Handle::error_type>(
        core_, cx.core(), delay, std::move(spawned), std::move(spawn_backup));
  }
  /// Spawns `f(Cx, Started<V>, args...)` and goes on when the child has called `started(value)`, with {handle, value}; until then
  /// the child's failure is the caller's.
  template <class V = void, class Caps, class F, class... Args>
  auto start(const BasicCx<Caps>& cx, F&& f, Args&&... args) const {
    Started<V> started;
    auto state = started.state();
    using Handle = typename decltype(spawn(cx, std::forward<F>(f), std::move(started),
                                           std::forward<Args>(args)...))::value_type;
    using Result = StartResult<V, typename Handle::value_type, typename Handle::error_type>;
    if (auto misuse = detail::combinator_misuse(core_, cx.core(), {}, "start"))
      return detail::refuse_combinator<Result>(std::move(*misuse));
    auto spawned = spawn(cx, std::forward<F>(f), std::move(started), std::forward<Args>(args)...);
    return detail::start_task<V, typename Handle::value_type, typename Handle::error_type>(
        core_, cx.core(), std::move(spawned), std::move(state));
  }

  const detail::ScopeCore& core() const noexcept { return core_; }

 private:
  template <class T, class E, class Caps, class F, class... Args>
  static void install(detail::PendingSpawn& pending, F&& f, Args&&... args) {
    detail_install(pending.record(), detail::make_task<T, E>(std::forward<F>(f), BasicCx<Caps>(pending.cx()),
                                                             std::forward<Args>(args)...));
  }
  template <class T, class E, class Caps, class F, class... Args>
  std::expected<TaskHandle<T, E>, SpawnError> start_task(detail::TaskTier tier, const BasicCx<Caps>& cx, F&& f,
                                                         Args&&... args) const {
    std::unique_ptr<SpawnError> refusal;
    detail::PendingSpawn pending(
        detail::begin_spawn(core_, cx.core(), tier, &detail::PolicyOpsOf<P>::ops, true, refusal));
    if (!pending) [[unlikely]]
      return std::unexpected(std::move(*refusal));
    detail::TokenMoveOf<Args...> tokens(pending.record());
    if (auto refused = detail::move_tokens(tokens, args...)) return std::unexpected(SpawnError(*refused));
    install<T, E, Caps>(pending, std::forward<F>(f), std::forward<Args>(args)...);
    tokens.keep();
    return TaskHandle<T, E>(pending.publish());
  }

  detail::ScopeCore core_;
};

template <class P>
inline constexpr bool enable_sendable<Scope<P>> = true;

/// A child region of the calling task's own region, without a scope at hand (R11).
template <class Caps, class P, class Body>
auto region(const BasicCx<Caps>& cx, P policy, Body&& body) {
  using Check = detail::body_check<Body, BasicCx<Caps>, Scope<P>>;
  return detail::run_region<typename Check::value_type, typename Check::error_type, P, BasicCx<Caps>, Body>(
      std::nullopt, cx, RegionOptions(), std::move(policy), std::forward<Body>(body));
}

/// Would scope.spawn(cx, f, args...) compile?
template <class F, class... Args>
concept spawnable = detail::spawnable<F, Cx, Args...>;

}  // namespace quiesce
