#include "quiesce/combinators/rate_limit.hpp"

#include <algorithm>
#include <string>

#include "quiesce/detail/kernel/kernel.hpp"

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

namespace detail {

RateOperation::RateOperation(RateLimit& limit, std::uint32_t tokens) noexcept
    : limit_(&limit), tokens_(tokens), turn_(limit.turn_) {}

bool RateOperation::try_now() noexcept {
  if (limit_->misuse(tokens_)) return true;
  return taken_ = limit_->try_in_turn(current_task()->kernel().executor().now(), tokens_);
}

void RateOperation::enlist(WaitNode& node) noexcept {
  if (pass_) return alarm_.arm(node, when_);
  turn_.enlist(node);
}

// Who has the turn is the first in the queue, and sleeps until its tokens are there: what it has not taken, it need not give back.
bool RateOperation::delist(WaitNode& node) noexcept {
  if (!pass_) {
    const bool granted = turn_.delist(node);
    if (granted) pass_ = turn_.take().value();
    return granted;
  }
  if (alarm_.disarm()) return true;
  pass_.leave();
  return false;
}

bool RateOperation::again() noexcept {
  if (!pass_) return true;  // taken at once, or refused
  TaskRecord& task = *current_task();
  const std::optional<Time> when = limit_->take_or_when(task.kernel().executor().now(), tokens_);
  taken_ = !when;
  if (when) when_ = *when;
  has_timer_ = taken_ || cx_has_timer(CxCore{&task, task.id().generation});
  if (!taken_ && has_timer_) return false;
  pass_.leave();
  return true;
}

Outcome<> RateOperation::take() noexcept {
  if (taken_) return Outcome<>::ok();
  if (auto refused = limit_->misuse(tokens_)) return Outcome<>::err(std::move(*refused));
  return Outcome<>::err(Error(
      ErrorCode::MissingCapability,
      "RateLimit::acquire: the tokens are not there yet, and this context was given no timer to wait with"));
}

WaitSubject RateOperation::subject() const noexcept { return turn_.subject(); }

}  // namespace detail
}  // namespace quiesce
