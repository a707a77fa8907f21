#pragma once
// timeout and deadline: at most so long.
//
//   auto message = co_await q::timeout(cx, 50ms, rx.recv());           // any operation of the library
//   auto first = co_await q::select(cx, q::timeout(50ms, rx.recv()), tx.reserve());    // as an operation itself
//   int answer = co_await q::timeout(cx, 2s, ask, host, port);         // a function: Task<int> ask(q::Cx, Host, int)
//   co_await q::deadline(cx, cx.now() + 1min, body);                   // a region with that deadline
//
// Of an operation – what channels and locks give, a sleep, a join – it waits for the operation and the clock together: one of them takes
// effect. When the time comes first the operation has left nothing behind (no message taken, no place in a queue) and the result is
// Err(TimedOut), with a sentence that names the duration and the operation. An operation that is ready at once stands, however late it
// is. A join that timed out leaves the task and its handle as they were.
// Of a function it runs f(cx, args...) – or f(cx, scope, args...) – as the body of a child region with that deadline: when it comes, f
// and all that it has started are cancelled (Deadline) and drained, and only then TimedOut is given. If f still ended Ok or Panicked
// while it drained, that stands (J5). A deadline that lies above, in a region around, ends the task itself instead, as ever. f may
// capture by reference: it has ended when the await returns.
// A cancel point. Cancel-safety: a request ends the operation or the region as it would without a timeout. Thread-safety: by its own
// task. Refuses: MissingCapability where the context has no timer, before anything was begun. Cost: a timer; of a function a frame and a
// region more. A timeout of an operation is one (for select); of a function it is a Task.
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "quiesce/detail/sync/timed.hpp"
#include "quiesce/detail/time/limit.hpp"
#include "quiesce/scope.hpp"
#include "quiesce/select.hpp"

namespace quiesce {

namespace detail {

template <class A>
concept CanBeTimed = requires {
  typename A::quiesce_operation;
}
|| std::same_as<A, Sleep::Observed> || ObservedJoin<A>;

extern const TimedWords timeout_words;

template <class A>
auto timed_operation(const TimedLimit& limit, A operation) {
  using Timed = TimedOperation<Branch<A>>;
  return Timed(operation_of<A>(std::move(operation)), limit, timeout_words);
}
template <class A>
using Timed = TimedOperation<Branch<A>>;

template <class F, class CxType, class... Args>
concept TakesScope = requires(std::remove_reference_t<F>& f, Scope<>& scope, Args&&... args) {
  f(std::declval<CxType>(), scope, std::forward<Args>(args)...);
};
template <class F, class CxType, class... Args>
concept TakesNoScope = requires(std::remove_reference_t<F>& f, Args&&... args) {
  f(std::declval<CxType>(), std::forward<Args>(args)...);
};

template <class F, class CxType, class... Args>
auto call_timed(F& f, const CxType& cx, [[maybe_unused]] Scope<>& scope, Args&&... args) {
  if constexpr (TakesScope<F, CxType, Args...>) {
    return f(cx, scope, std::forward<Args>(args)...);
  } else {
    return f(cx, std::forward<Args>(args)...);
  }
}

template <class F, class CxType, class... Args>
struct TimedCall {
  static_assert(SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  static_assert(
      !is_task<std::decay_t<F>>,
      "quiesce: a timeout of a task would lose what it has done: pass the function and its arguments, "
      "timeout(cx, duration, f, args...), or spawn it and pass its join");
  static constexpr bool callable =
      TakesScope<F, CxType, std::decay_t<Args>...> || TakesNoScope<F, CxType, std::decay_t<Args>...>;
  static_assert(callable,
                "quiesce: timeout needs an operation (rx.recv(), handle.join(cx), …) or a function that can be "
                "called as Task<T>(quiesce::Cx, args...) or Task<T>(quiesce::Cx, quiesce::Scope<>&, args...)");
  static auto result() {
    if constexpr (callable && !is_task<std::decay_t<F>>) {
      return std::type_identity<decltype(call_timed(std::declval<std::remove_reference_t<F>&>(),
                                                    std::declval<const CxType&>(), std::declval<Scope<>&>(),
                                                    std::declval<std::decay_t<Args>>()...))>();
    } else {
      return std::type_identity<Task<>>();
    }
  }
  using Result = typename decltype(result())::type;
  static_assert(ReturnsTask<Result>, "quiesce: timeout: the function must return a quiesce::Task");
  using value_type = typename task_parts<Result>::value_type;
  using error_type = typename task_parts<Result>::error_type;
};

template <class T, class E, class CxType, class F, class... Args>
Task<T, E> timeout_function(CxType cx, TimeLimit limit, F f, Args... args) {
  if (auto misuse = timer_misuse(cx.core(), "timeout")) co_await fail(std::move(*misuse));
  const std::optional<Time> above = cx.budget().deadline;
  RegionId inside;
  bool reached = false;  // by the deadline, before it ended
  auto body = [&](CxType own, Scope<>& scope) -> Task<T, E> {
    inside = own.region_id();
    auto task = call_timed<F>(f, own, scope, std::move(args)...);
    Outcome<T, E> ended = co_await std::move(task).outcome();
    std::optional<CancelReason> reason = own.cancel_reason();
    reached = reason && is_deadline_of(*reason, inside);
    FinishWith<T, E> finish(std::move(ended));
    co_await std::move(finish);
  };
  const RegionOptions options = RegionOptions().with_budget(Budget::infinite().with_deadline(limit.until));
  auto region =
      run_region<T, E, FailFast, CxType, decltype(body)&>(std::nullopt, cx, options, FailFast(), body);
  Outcome<T, E> ended = co_await std::move(region).outcome();
  const bool by_cancel = ended.is_cancelled() && is_deadline_of(ended.cancel_reason(), inside);
  if ((by_cancel || (reached && ended.is_err())) && !(above && *above <= limit.until)) {
    Error error = timed_out(limit, "timeout", "the function has not ended");
    if (by_cancel) error = std::move(error).with_cancel_reason(ended.cancel_reason());
    co_await fail(std::move(error));
  }
  FinishWith<T, E> finish(std::move(ended));
  co_await std::move(finish);
}

template <class Caps>
struct NeedsTime {
  static_assert(Holds<Caps::bits, cap::Time::bits>,
                "quiesce: this context lacks the capability Time (cap::Time), which a timeout needs");
  static constexpr bool done = true;
};

template <class T, class E>
Task<T, E> refuse_timed(Error misuse) {
  co_await fail(std::move(misuse));
  std::unreachable();
}

}  // namespace detail

/// The operation's value, or Err(TimedOut) once `duration` has passed.
template <class Caps, class A>
requires detail::CanBeTimed<A>
auto timeout(const BasicCx<Caps>& cx, Duration duration, A operation) {
  static_assert(detail::NeedsTime<Caps>::done);
  const detail::TimedLimit limit{cx.now() + duration, duration, "timeout"};
  return Wait<detail::Timed<A>>(cx.core(), detail::timed_operation<A>(limit, std::move(operation)));
}
/// For select, and for a timeout around it: counts from there.
template <class A>
requires detail::CanBeTimed<A>
auto timeout(Duration duration, A operation) {
  const detail::TimedLimit limit{std::nullopt, duration, "timeout"};
  return Operation<detail::Timed<A>>(detail::timed_operation<A>(limit, std::move(operation)));
}
/// The same with a point on the context's clock.
template <class Caps, class A>
requires detail::CanBeTimed<A>
auto timeout_at(const BasicCx<Caps>& cx, Time time, A operation) {
  static_assert(detail::NeedsTime<Caps>::done);
  const detail::TimedLimit limit{time, std::nullopt, "timeout_at"};
  return Wait<detail::Timed<A>>(cx.core(), detail::timed_operation<A>(limit, std::move(operation)));
}
template <class A>
requires detail::CanBeTimed<A>
auto timeout_at(Time time, A operation) {
  const detail::TimedLimit limit{time, std::nullopt, "timeout_at"};
  return Operation<detail::Timed<A>>(detail::timed_operation<A>(limit, std::move(operation)));
}
/// What f gives, or Err(TimedOut) once it has been cancelled and has ended.
template <class Caps, class F, class... Args>
requires(!detail::CanBeTimed<std::remove_cvref_t<F>>) auto timeout(const BasicCx<Caps>& cx, Duration duration,
                                                                   F&& f, Args&&... args) {
  static_assert(detail::NeedsTime<Caps>::done);
  using Call = detail::TimedCall<F, BasicCx<Caps>, Args...>;
  return detail::timeout_function<typename Call::value_type, typename Call::error_type, BasicCx<Caps>, F,
                                  std::decay_t<Args>...>(cx, detail::TimeLimit::in(cx.core(), duration),
                                                         std::forward<F>(f), std::forward<Args>(args)...);
}
template <class Caps, class F, class... Args>
requires(!detail::CanBeTimed<std::remove_cvref_t<F>>) auto timeout_at(const BasicCx<Caps>& cx, Time time, F&& f,
                                                                      Args&&... args) {
  static_assert(detail::NeedsTime<Caps>::done);
  using Call = detail::TimedCall<F, BasicCx<Caps>, Args...>;
  return detail::timeout_function<typename Call::value_type, typename Call::error_type, BasicCx<Caps>, F,
                                  std::decay_t<Args>...>(cx, detail::TimeLimit{time}, std::forward<F>(f),
                                                         std::forward<Args>(args)...);
}

/// A child region of the calling task's own region that is cancelled (Deadline) at `time`; else as `region`.
template <class Caps, class P, class Body>
auto deadline(const BasicCx<Caps>& cx, Time time, P policy, Body&& body) {
  static_assert(detail::NeedsTime<Caps>::done);
  using Check = detail::body_check<Body, BasicCx<Caps>, Scope<P>>;
  using T = typename Check::value_type;
  using E = typename Check::error_type;
  if (auto misuse = detail::timer_misuse(cx.core(), "deadline"))
    return detail::refuse_timed<T, E>(std::move(*misuse));
  const RegionOptions options = RegionOptions().with_budget(Budget::infinite().with_deadline(time));
  return detail::run_region<T, E, P, BasicCx<Caps>, Body>(std::nullopt, cx, options, std::move(policy),
                                                          std::forward<Body>(body));
}
template <class Caps, class Body>
auto deadline(const BasicCx<Caps>& cx, Time time, Body&& body) {
  return deadline(cx, time, FailFast(), std::forward<Body>(body));
}

}  // namespace quiesce
