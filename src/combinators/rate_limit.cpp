#include "quiesce/combinators/rate_limit.hpp"

#include <algorithm>
#include <string>

namespace quiesce {

using detail::Primitive;

RateLimit::RateLimit(std::uint32_t tokens, Duration per, std::uint32_t burst, Name name) noexcept
    : turn_("rate limit", 1, name),
      primitive_("rate limit's bucket", name),
      each_(tokens == 0 || per <= Duration::zero()
                ? Duration::zero()
                : std::max(per / static_cast<std::int64_t>(tokens), Duration(1))),
      burst_(burst) {}

// The bucket as one time, that at which it will be full (the virtual scheduling of the generic cell rate algorithm, ITU-T I.371): a token
// taken puts it off by what one token takes to come, and it may lie at most a whole bucket ahead.
std::optional<Time> RateLimit::take_or_when(Time now, std::uint32_t tokens) noexcept {
  const Primitive::Hold hold(primitive_);
  const Time full = std::max(full_at_.value_or(now), now) + each_ * static_cast<std::int64_t>(tokens);
  const Time there = full - each_ * static_cast<std::int64_t>(burst_);
  if (there > now) return there;
  full_at_ = full;
  acquired_ += tokens;
  return std::nullopt;
}

std::optional<Error> RateLimit::misuse(std::uint32_t tokens) const {
  if (each_ == Duration::zero())
    return Error(ErrorCode::InvalidArgument, "RateLimit: a rate of no tokens gives none, ever");
  if (tokens == 0 || tokens > burst_)
    return Error(ErrorCode::InvalidArgument, "RateLimit::acquire: " + std::to_string(tokens) +
                                                 " tokens at once; from 1 to the burst, " +
                                                 std::to_string(burst_) + ", can be had");
  return std::nullopt;
}

// Who has the turn is the first in the queue, and sleeps until its tokens are there: what it has not taken, a cancel need not give back.
Task<> RateLimit::acquire_in_turn(Cx cx, std::uint32_t tokens) {
  if (auto refused = misuse(tokens)) co_await fail(std::move(*refused));
  detail::TurnstilePass turn = co_await turn_.enter(cx.core());
  while (std::optional<Time> when = take_or_when(cx.now(), tokens)) co_await cx.sleep_until(*when);
}

bool RateLimit::try_in_turn(Time now, std::uint32_t tokens) noexcept {
  if (each_ == Duration::zero() || tokens == 0 || tokens > burst_) return false;
  detail::TurnstilePass turn = turn_.try_enter();
  return turn && !take_or_when(now, tokens);
}

RateLimitStatistics RateLimit::statistics() const noexcept {
  const detail::TurnstileStatistics turn = turn_.statistics();
  const Primitive::Hold hold(primitive_, detail::Use::Read);
  return {acquired_, turn.waiters, turn.waited};
}

}  // namespace quiesce
