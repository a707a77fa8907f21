#pragma once
// CircuitBreaker: stops calling what keeps failing, for a while.
//
//   q::CircuitBreaker breaker({.failures = 5, .open_for = 10s}, "billing");
//   Bill bill = co_await breaker.call(cx, ask_billing);       // Task<Bill> ask_billing(q::Cx); in the calling task, may capture
//
// closed      calls go through. `failures` of them in a row that ended Err or Panicked open it.
// open        every call is refused at once with Err(CircuitOpen), which says until when; f is not called. After `open_for`, by the
//             context's clock, the next call finds it half open.
// half open   at most `probes` calls go through, the others are refused. When that many have ended Ok it closes; one that fails opens it
//             again, for as long.
// A call that ends Cancelled says nothing of what it called: it counts for neither, and its place as a probe is free again. What a call
// gives that began before the last change of state is not counted.
// Cancel-safety and cancel points: those of f. Thread-safety: any; shared between tasks. Cost: a lock before and after. It outlives its calls.
#include <cstdint>
#include <expected>
#include <utility>

#include "quiesce/combinators/retry.hpp"
#include "quiesce/detail/sync/primitive.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

struct CircuitBreakerOptions {
  std::uint32_t failures = 5;
  Duration open_for = std::chrono::seconds(10);
  std::uint32_t probes = 1;
};

enum class CircuitState : std::uint8_t { closed, open, half_open };

/// A look at it; the next moment it may be otherwise. `open` is shown until a call finds it half open.
struct CircuitBreakerStatistics {
  CircuitState state = CircuitState::closed;
  std::uint32_t failures_in_a_row = 0;
  std::uint64_t opened = 0;   // times
  std::uint64_t refused = 0;  // calls
};

class CircuitBreaker;

namespace detail {

enum class CallEnd : std::uint8_t { Ok, Failed, GivenUp };

/// A call that was let through; gives up by its destructor unless it was ended before.
class CircuitCall {
 public:
  CircuitCall(CircuitBreaker& breaker, CxCore cx, std::uint64_t epoch, bool is_probe) noexcept
      : breaker_(&breaker), cx_(cx), epoch_(epoch), is_probe_(is_probe) {}
  CircuitCall(CircuitCall&& other) noexcept
      : breaker_(std::exchange(other.breaker_, nullptr)),
        cx_(other.cx_),
        epoch_(other.epoch_),
        is_probe_(other.is_probe_) {}
  CircuitCall& operator=(CircuitCall&&) = delete;
  ~CircuitCall() { end(CallEnd::GivenUp); }
  void end(CallEnd how) noexcept;

 private:
  CircuitBreaker* breaker_;
  CxCore cx_;
  std::uint64_t epoch_;
  bool is_probe_;
};

template <class T, class E, class CxType, class F>
Task<T, E> call_through(CxType cx, CircuitBreaker* breaker, F f);

}  // namespace detail

class CircuitBreaker {
 public:
  explicit CircuitBreaker(CircuitBreakerOptions options = {}, Name name = {}) noexcept;

  template <class Caps, class F>
  auto call(const BasicCx<Caps>& cx, F&& f) {
    static_assert(detail::Holds<Caps::bits, cap::Time::bits>,
                  "quiesce: this context lacks the capability Time (cap::Time), which a circuit breaker needs");
    using Call = detail::AttemptCall<BasicCx<Caps>, F>;
    return detail::call_through<typename Call::value_type, typename Call::error_type, BasicCx<Caps>, F>(
        cx, this, std::forward<F>(f));
  }
  CircuitBreakerStatistics statistics() const noexcept;

  /// For the call itself.
  std::expected<detail::CircuitCall, Error> detail_begin(detail::CxCore cx);

 private:
  friend detail::CircuitCall;
  void end(std::uint64_t epoch, bool is_probe, detail::CallEnd how, Time now) noexcept;
  void change(CircuitState to, Time now) noexcept;

  detail::Primitive primitive_;
  const CircuitBreakerOptions options_;
  // Under the lock.
  CircuitState state_ = CircuitState::closed;
  std::uint64_t epoch_ = 0;              // changes of state so far
  std::uint32_t failures_in_a_row_ = 0;  // closed
  std::uint32_t probing_ = 0;            // half open: probes that run, and those that have ended Ok
  std::uint32_t probed_ok_ = 0;
  Time open_until_;
  std::uint64_t opened_ = 0;
  std::uint64_t refused_ = 0;
};

template <>
inline constexpr bool enable_sync<CircuitBreaker> = true;

namespace detail {

template <class T, class E, class CxType, class F>
Task<T, E> call_through(CxType cx, CircuitBreaker* breaker, F f) {
  auto call = breaker->detail_begin(cx.core());
  if (!call) co_await fail(std::move(call).error());
  auto task = call_attempt(f, cx, 1u);
  Outcome<T, E> ended = co_await std::move(task).outcome();
  call->end(ended.is_ok() ? CallEnd::Ok : ended.is_cancelled() ? CallEnd::GivenUp : CallEnd::Failed);
  FinishWith<T, E> finish(std::move(ended));
  co_await std::move(finish);
}

}  // namespace detail
}  // namespace quiesce
