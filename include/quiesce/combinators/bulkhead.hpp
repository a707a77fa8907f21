#pragma once
// Bulkhead: at most so many calls at a time, and at most so many that wait, so that one slow service does not take everything with it.
//
//   q::Bulkhead backend(8, 32, "backend");
//   Page page = co_await backend.call(cx, fetch);         // Task<Page> fetch(q::Cx); runs in the calling task, may capture
//
// A call that finds a free place runs at once; else it waits, first come, first served. When `queue_max` calls wait already it is refused
// at once with Err(Overloaded), which names the bulkhead, and f is not called. The place is given back when f has ended, however.
// A cancel point while it waits, also when it could go on at once. Cancel-safety: a waiting call that is cancelled has not called f and
// has left the queue. Thread-safety: any; shared between tasks. Cost: one lock each. It outlives its calls.
#include <cstdint>
#include <utility>

#include "quiesce/combinators/retry.hpp"
#include "quiesce/detail/combinators/turnstile.hpp"

namespace quiesce {

using BulkheadStatistics = detail::TurnstileStatistics;

namespace detail {

template <class T, class E, class CxType, class F>
Task<T, E> call_inside(CxType cx, Turnstile* turnstile, F f) {
  TurnstilePass pass = co_await turnstile->enter(cx.core());
  auto task = call_attempt(f, cx, 1u);
  if constexpr (std::is_void_v<T>) {
    co_await std::move(task);
  } else {
    co_return co_await std::move(task);
  }
}

}  // namespace detail

class Bulkhead {
 public:
  explicit Bulkhead(std::uint32_t concurrent_max, std::uint32_t queue_max = detail::Turnstile::unbounded,
                    Name name = {}) noexcept
      : turnstile_("bulkhead", concurrent_max, name, queue_max) {}

  template <class Caps, class F>
  auto call(const BasicCx<Caps>& cx, F&& f) {
    using Call = detail::AttemptCall<BasicCx<Caps>, F>;
    return detail::call_inside<typename Call::value_type, typename Call::error_type, BasicCx<Caps>, F>(
        cx, &turnstile_, std::forward<F>(f));
  }
  BulkheadStatistics statistics() const noexcept { return turnstile_.statistics(); }

 private:
  detail::Turnstile turnstile_;
};

template <>
inline constexpr bool enable_sync<Bulkhead> = true;

}  // namespace quiesce
