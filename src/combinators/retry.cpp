#include "quiesce/combinators/retry.hpp"

#include <cmath>

namespace quiesce {

Duration RetryPolicy::backoff(std::uint32_t attempt) const noexcept {
  const double wanted =
      static_cast<double>(first_delay_.count()) * std::pow(factor_, static_cast<double>(attempt - 1));
  if (!(wanted < static_cast<double>(max_delay_.count()))) return max_delay_;
  return Duration(static_cast<std::int64_t>(wanted));
}

namespace detail {

// Full jitter: Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
std::optional<Duration> retry_delay(CxCore cx, const RetryPolicy& policy, std::uint32_t attempt) {
  Duration delay = policy.backoff(attempt);
  if (policy.has_jitter())
    delay =
        Duration(static_cast<std::int64_t>(cx_random_index(cx, static_cast<std::uint64_t>(delay.count()) + 1)));
  const std::optional<Duration> left = cx_remaining(cx);
  if (left && *left <= delay) return std::nullopt;
  return delay;
}

}  // namespace detail
}  // namespace quiesce
