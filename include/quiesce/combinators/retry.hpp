#pragma once
// retry: again, after a while, when it failed.
//
//   auto page = co_await q::retry(cx, q::RetryPolicy().attempts(5).first_delay(100ms), fetch);      // Task<Page> fetch(q::Cx)
//   co_await q::retry_if(cx, policy, [](const q::Error& e) { return e.code() == q::ErrorCode::Io; }, fetch);
//
// f(cx), or f(cx, attempt) with attempts counted from 1, runs in the calling task, one attempt at a time; it may capture. Only an Err is
// retried, and only if the predicate says so; a Cancelled or Panicked attempt is the result at once. Before attempt n + 1 it sleeps for a
// time drawn uniformly from [0, d], d = first_delay * factor^(n - 1), at most max_delay: exponential backoff with full jitter, drawn
// from the context's entropy, so that many who failed together do not come back together and the lab replays it. `jitter(false)`
// sleeps d. It never sleeps past the deadline of the context's budget: what would, ends it now, with the last Err.
// The last Err is the result; a q::Error says in its context how many attempts there were. A cancel point while it sleeps, else as f.
// Refuses: MissingCapability where the context has no timer and it would have to sleep. Cost: a frame, and a timer for each sleep.
#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/core/soundness.hpp"
#include "quiesce/detail/scope/region_run.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

/// Every setting has a default.
class RetryPolicy {
 public:
  RetryPolicy() = default;
  /// In all, the first one too; at least 1.
  RetryPolicy attempts(std::uint32_t count) const {
    RetryPolicy copy(*this);
    copy.attempts_ = std::max(count, 1u);
    return copy;
  }
  RetryPolicy first_delay(Duration delay) const {
    RetryPolicy copy(*this);
    copy.first_delay_ = std::max(delay, Duration::zero());
    return copy;
  }
  RetryPolicy max_delay(Duration delay) const {
    RetryPolicy copy(*this);
    copy.max_delay_ = std::max(delay, Duration::zero());
    return copy;
  }
  /// At least 1.
  RetryPolicy factor(double each) const {
    RetryPolicy copy(*this);
    copy.factor_ = std::max(each, 1.0);
    return copy;
  }
  RetryPolicy jitter(bool on) const {
    RetryPolicy copy(*this);
    copy.jitter_ = on;
    return copy;
  }

  std::uint32_t attempts() const noexcept { return attempts_; }
  bool has_jitter() const noexcept { return jitter_; }
  /// The longest sleep after that attempt has failed.
  Duration backoff(std::uint32_t attempt) const noexcept;

 private:
  std::uint32_t attempts_ = 4;
  Duration first_delay_ = std::chrono::milliseconds(50);
  Duration max_delay_ = std::chrono::seconds(10);
  double factor_ = 2;
  bool jitter_ = true;
};

namespace detail {

/// How long to sleep now; nullopt: the deadline would pass.
std::optional<Duration> retry_delay(CxCore cx, const RetryPolicy& policy, std::uint32_t attempt);

template <class F, class CxType>
auto call_attempt(F& f, const CxType& cx, [[maybe_unused]] std::uint32_t attempt) {
  if constexpr (std::invocable<F&, CxType, std::uint32_t>) {
    return f(cx, attempt);
  } else {
    return f(cx);
  }
}

template <class T, class E>
Outcome<T, E> give_up(Outcome<T, E>&& ended, std::uint32_t attempts) {
  if constexpr (std::same_as<E, Error>) {
    if (ended.is_err() && attempts > 1)
      return Outcome<T, E>::err(std::move(ended).error().with_context("attempts", std::to_string(attempts)));
  }
  return std::move(ended);
}

template <class T, class E, class CxType, class Predicate, class F>
Task<T, E> retry_attempts(CxType cx, RetryPolicy policy, Predicate predicate, F f) {
  for (std::uint32_t attempt = 1;; ++attempt) {
    auto task = call_attempt(f, cx, attempt);
    Outcome<T, E> ended = co_await std::move(task).outcome();
    std::optional<Duration> delay;
    if (ended.is_err() && attempt < policy.attempts() && predicate(std::as_const(ended).error()))
      delay = retry_delay(cx.core(), policy, attempt);
    if (!delay) {
      FinishWith<T, E> finish(give_up(std::move(ended), attempt));
      co_await std::move(finish);
    }
    co_await cx.sleep(*delay);
  }
}

struct AnyError {
  template <class E>
  bool operator()(const E&) const noexcept {
    return true;
  }
};

template <class CxType, class F>
struct AttemptCall {
  static_assert(SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  using Function = std::remove_reference_t<F>;
  static constexpr bool callable =
      std::invocable<Function&, CxType> || std::invocable<Function&, CxType, std::uint32_t>;
  static_assert(callable,
                "quiesce: retry needs a function that can be called as Task<T>(quiesce::Cx) or "
                "Task<T>(quiesce::Cx, std::uint32_t attempt), once for each attempt");
  static auto result() {
    if constexpr (callable) {
      return std::type_identity<decltype(call_attempt(std::declval<Function&>(), std::declval<const CxType&>(),
                                                      1u))>();
    } else {
      return std::type_identity<Task<>>();
    }
  }
  using Result = typename decltype(result())::type;
  static_assert(ReturnsTask<Result>, "quiesce: retry: the function must return a quiesce::Task");
  using value_type = typename task_parts<Result>::value_type;
  using error_type = typename task_parts<Result>::error_type;
};

}  // namespace detail

template <class Caps, class Predicate, class F>
auto retry_if(const BasicCx<Caps>& cx, const RetryPolicy& policy, Predicate predicate, F&& f) {
  static_assert(
      detail::Holds<Caps::bits, cap::Union<cap::Time, cap::Random>::bits>,
      "quiesce: this context lacks the capability Time or Random (cap::Time, cap::Random), which retry needs");
  using Call = detail::AttemptCall<BasicCx<Caps>, F>;
  return detail::retry_attempts<typename Call::value_type, typename Call::error_type, BasicCx<Caps>, Predicate,
                                F>(cx, policy, std::move(predicate), std::forward<F>(f));
}
template <class Caps, class F>
auto retry(const BasicCx<Caps>& cx, const RetryPolicy& policy, F&& f) {
  return retry_if(cx, policy, detail::AnyError(), std::forward<F>(f));
}

}  // namespace quiesce
