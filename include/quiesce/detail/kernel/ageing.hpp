#pragma once
// When pooled memory is old.
//
// Time goes in periods of a second. What a stock held all through a period was needed by nobody (the working set of Bonwick and Adams,
// "Magazines and Vmem", USENIX 2001): when the period is over it goes, a slice at a time, and then the next period begins.
//
// Protocol: whoever wins `is_busy` does a slice of that; all others are told that there is nothing to do for them. `is_releasing` is
// its own. `in_use` is set by whoever puts something into the stock and taken back by the busy one before it looks whether there is
// anything: what comes in meanwhile is seen by one of the two, or grows old in a later period.
// Orders: of `is_busy`, acquire and release. The others are hints: relaxed.
#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

namespace quiesce::detail {

inline constexpr std::int64_t ageing_period_ns = 1'000'000'000;

/// Stock has, all static:
///   bool release_some() noexcept    a slice of what was unused in the period goes; true: there is more
///   void all_released() noexcept    after the last slice of a period in which something went
///   void begin_period() noexcept    what is here now counts as unused until it is needed
///   bool has_any() noexcept         could anything grow old?
template <class Stock>
class Ageing {
 public:
  /// The stock holds something.
  void note_use() noexcept {
    if (!in_use_.load(std::memory_order_relaxed)) in_use_.store(true, std::memory_order_relaxed);
  }

  /// `now` is of a clock that never goes back, one for the process. When to call it again: not before that time; at once if it is not
  /// after `now`; nullopt: there is nothing that could grow old, or another thread is at it.
  std::optional<std::int64_t> age(std::int64_t now_ns) noexcept {
    if (!in_use_.load(std::memory_order_relaxed)) return std::nullopt;
    if (const std::int64_t end = period_end_.load(std::memory_order_relaxed); now_ns < end) return end;
    if (is_busy_.exchange(true, std::memory_order_acquire)) return std::nullopt;  // pairs with the release
    const std::optional<std::int64_t> next = end_period(now_ns);
    is_busy_.store(false, std::memory_order_release);
    return next;
  }

 private:
  std::optional<std::int64_t> end_period(std::int64_t now_ns) noexcept {
    if (Stock::release_some()) {
      is_releasing_ = true;
      return now_ns;
    }
    if (std::exchange(is_releasing_, false)) Stock::all_released();
    Stock::begin_period();
    period_end_.store(now_ns + ageing_period_ns, std::memory_order_relaxed);
    in_use_.store(false, std::memory_order_relaxed);
    if (!Stock::has_any()) return std::nullopt;
    in_use_.store(true, std::memory_order_relaxed);
    return now_ns + ageing_period_ns;
  }

  std::atomic<bool> in_use_{false}, is_busy_{false};
  std::atomic<std::int64_t> period_end_{0};
  bool is_releasing_ = false;
};

}  // namespace quiesce::detail
