#pragma once
// RateLimit: so many a second, with bursts.
//
//   q::RateLimit limit(100, 1s, 20, "api");       // 100 a second; up to 20 at once after a pause
//   co_await limit.acquire(cx);                   // or acquire(cx, 5)
//   if (limit.try_acquire(cx)) …                  // without waiting
//
// A bucket of `burst` tokens, full in the beginning, which gains `tokens` in each `per`, by the context's clock. In any time t at most
// burst + t * tokens / per are given out. First come, first served: who wants many is not overtaken by who wants few, by try_acquire
// neither. In a select it comes to the end of the line again when another branch has looked at what woke it and waits on.
// A cancel point. Cancel-safety: one that is cancelled while it waits has taken nothing. Thread-safety: any; of contexts of one runtime,
// since clocks differ. Refuses: InvalidArgument for 0 or for more than `burst`, which can never come, and for a rate of 0;
// MissingCapability where it must wait and the context has no timer. Cost: one lock; a waiting call has a timer when it is the first.
#include <cstdint>
#include <optional>

#include "quiesce/cx.hpp"
#include "quiesce/detail/combinators/turnstile.hpp"

namespace quiesce {

class RateLimit;

namespace detail {

/// First the turn, then the time at which its tokens are there, then the tokens: it takes them when it looks, so there is nothing that
/// a loser would have to give back but its turn.
class RateOperation {
 public:
  using value_type = void;
  using error_type = Error;
  static constexpr const char* what = "tokens of a rate limit";

  RateOperation(RateLimit& limit, std::uint32_t tokens) noexcept;
  bool try_now() noexcept;
  void enlist(WaitNode& node) noexcept;
  bool delist(WaitNode& node) noexcept;
  bool again() noexcept;
  Outcome<> take() noexcept;
  void give_back() noexcept { pass_.leave(); }
  WaitSubject subject() const noexcept;

 private:
  RateLimit* limit_;
  std::uint32_t tokens_;
  EnterOperation turn_;
  TurnstilePass pass_ = {};  // while it sleeps until its tokens are there
  Time when_ = {};
  WaitAlarm alarm_ = {};
  bool taken_ = false;
  bool has_timer_ = true;
};

}  // namespace detail

struct RateLimitStatistics {
  std::uint64_t acquired = 0;  // tokens
  std::uint32_t waiters = 0;   // one more sleeps until its tokens are there
  std::uint64_t waited = 0;    // calls that had to queue behind another
};

class RateLimit {
 public:
  RateLimit(std::uint32_t tokens, Duration per, std::uint32_t burst, Name name = {}) noexcept;
  RateLimit(std::uint32_t tokens, Duration per) noexcept : RateLimit(tokens, per, tokens) {}

  template <class Caps>
  auto acquire(const BasicCx<Caps>& cx, std::uint32_t tokens = 1) {
    static_assert(detail::Holds<Caps::bits, cap::Time::bits>,
                  "quiesce: this context lacks the capability Time (cap::Time), which acquire needs");
    return Wait<detail::RateOperation>(cx.core(), detail::RateOperation(*this, tokens));
  }
  /// For select and timeout.
  auto acquire(std::uint32_t tokens = 1) {
    return Operation<detail::RateOperation>(detail::RateOperation(*this, tokens));
  }
  /// False: they are not there, or others wait for theirs; or it is refused.
  template <class Caps>
  bool try_acquire(const BasicCx<Caps>& cx, std::uint32_t tokens = 1) {
    static_assert(detail::Holds<Caps::bits, cap::Time::bits>,
                  "quiesce: this context lacks the capability Time (cap::Time), which try_acquire needs");
    return try_in_turn(cx.now(), tokens);
  }
  RateLimitStatistics statistics() const noexcept;

 private:
  friend detail::RateOperation;
  bool try_in_turn(Time now, std::uint32_t tokens) noexcept;
  /// Takes them; or tells when they will be there.
  std::optional<Time> take_or_when(Time now, std::uint32_t tokens) noexcept;
  std::optional<Error> misuse(std::uint32_t tokens) const;

  detail::Turnstile turn_;
  detail::Primitive primitive_;
  const Duration each_;  // until one token has come; zero: there is no rate
  const std::uint32_t burst_;
  // Under the lock.
  std::optional<Time> full_at_;  // the bucket is full from then on
  std::uint64_t acquired_ = 0;
};

template <>
inline constexpr bool enable_sync<RateLimit> = true;

}  // namespace quiesce
