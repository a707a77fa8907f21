#include "quiesce/combinators/circuit_breaker.hpp"

#include <algorithm>
#include <string>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce {

using detail::CallEnd;
using detail::Primitive;

CircuitBreaker::CircuitBreaker(CircuitBreakerOptions options, Name name) noexcept
    : primitive_("circuit breaker", name),
      options_{std::max(options.failures, 1u), options.open_for, std::max(options.probes, 1u)} {}

void CircuitBreaker::change(CircuitState to, Time now) noexcept {
  state_ = to;
  ++epoch_;
  failures_in_a_row_ = probing_ = probed_ok_ = 0;
  if (to != CircuitState::open) return;
  open_until_ = now + options_.open_for;
  ++opened_;
}

std::expected<detail::CircuitCall, Error> CircuitBreaker::detail_begin(detail::CxCore cx) {
  if (auto misuse = own_context_error(cx, "CircuitBreaker::call")) return std::unexpected(std::move(*misuse));
  const Time now = detail::cx_now(cx);
  Time until;
  {
    const Primitive::Hold hold(primitive_);
    if (state_ == CircuitState::open && now >= open_until_) change(CircuitState::half_open, now);
    if (state_ == CircuitState::closed) return detail::CircuitCall(*this, cx, epoch_, false);
    if (state_ == CircuitState::half_open && probing_ + probed_ok_ < options_.probes) {
      ++probing_;
      return detail::CircuitCall(*this, cx, epoch_, true);
    }
    ++refused_;
    until = state_ == CircuitState::open ? open_until_ : now;
  }
  const char* name = primitive_.name();
  std::string text =
      std::string("circuit breaker") + (name == nullptr ? "" : " ") + (name == nullptr ? "" : name);
  text += until > now ? ": open until " + to_string(until) + ", for what it guards has failed"
                      : ": half open, and its probes are under way";
  return std::unexpected(Error(ErrorCode::CircuitOpen, std::move(text)));
}

void CircuitBreaker::end(std::uint64_t epoch, bool is_probe, CallEnd how, Time now) noexcept {
  const Primitive::Hold hold(primitive_);
  if (epoch != epoch_) return;
  if (is_probe) {
    --probing_;
    if (how == CallEnd::Failed) return change(CircuitState::open, now);
    if (how == CallEnd::Ok && ++probed_ok_ == options_.probes) change(CircuitState::closed, now);
  } else if (how == CallEnd::Ok) {
    failures_in_a_row_ = 0;
  } else if (how == CallEnd::Failed && ++failures_in_a_row_ == options_.failures) {
    change(CircuitState::open, now);
  }
}

CircuitBreakerStatistics CircuitBreaker::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, detail::Use::Read);
  return {state_, failures_in_a_row_, opened_, refused_};
}

// By the task's own clock; its context is alive while one of its frames is.
void detail::CircuitCall::end(CallEnd how) noexcept {
  if (CircuitBreaker* breaker = std::exchange(breaker_, nullptr))
    breaker->end(epoch_, is_probe_, how, cx_.task->kernel().executor().now());
}

}  // namespace quiesce
