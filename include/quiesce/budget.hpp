// Budget: what a region's work may use. A deadline, a number of steps (polls), a cost that tasks charge
// themselves, and a priority.
//
// `Budget::infinite()` constrains nothing. `meet` gives the tighter of two budgets in every component – the
// earlier deadline, the smaller quotas, the larger priority – and is associative, commutative and idempotent
// (B2), so nesting regions never relaxes anything (B3). A trivially copyable value; every operation is
// constexpr.
//   Budget b = Budget::infinite().with_deadline(cx.now() + 2s).with_cost_quota(1000);
#pragma once

#include <cstdint>
#include <iosfwd>
#include <limits>
#include <optional>
#include <string>

#include "quiesce/time.hpp"

namespace quiesce {

struct Budget {
  static constexpr std::uint32_t infinite_polls = std::numeric_limits<std::uint32_t>::max();

  std::optional<Time> deadline;               // none: never
  std::uint32_t poll_quota = infinite_polls;  // steps left
  std::optional<std::uint64_t> cost_quota;    // none: unlimited
  std::uint8_t priority = 0;                  // larger is more urgent

  [[nodiscard]] static constexpr Budget infinite() noexcept { return {}; }

  [[nodiscard]] constexpr Budget with_deadline(Time value) const noexcept;
  [[nodiscard]] constexpr Budget with_poll_quota(std::uint32_t value) const noexcept;
  [[nodiscard]] constexpr Budget with_cost_quota(std::uint64_t value) const noexcept;
  [[nodiscard]] constexpr Budget with_priority(std::uint8_t value) const noexcept;

  // Whether anything is used up: the deadline has come (now >= deadline), or a quota is 0.
  [[nodiscard]] constexpr bool is_exhausted_at(Time now) const noexcept;

  friend constexpr bool operator==(const Budget&, const Budget&) noexcept = default;
};

namespace detail {
// The smaller of two bounds, where none is above every bound.
template <class T>
constexpr std::optional<T> smaller_bound(std::optional<T> a, std::optional<T> b) noexcept {
  if (!a) return b;
  if (!b) return a;
  return *b < *a ? b : a;
}
}  // namespace detail

[[nodiscard]] constexpr Budget meet(const Budget& a, const Budget& b) noexcept {
  return {detail::smaller_bound(a.deadline, b.deadline),
          b.poll_quota < a.poll_quota ? b.poll_quota : a.poll_quota,
          detail::smaller_bound(a.cost_quota, b.cost_quota), a.priority < b.priority ? b.priority : a.priority};
}

// "Budget(infinite)" or "Budget(deadline=1.250ms, polls=10, cost=100, priority=3)", naming only what is
// constrained.
[[nodiscard]] std::string to_string(const Budget& budget);
std::ostream& operator<<(std::ostream& os, const Budget& budget);

constexpr Budget Budget::with_deadline(Time value) const noexcept {
  Budget copy = *this;
  copy.deadline = value;
  return copy;
}

constexpr Budget Budget::with_poll_quota(std::uint32_t value) const noexcept {
  Budget copy = *this;
  copy.poll_quota = value;
  return copy;
}

constexpr Budget Budget::with_cost_quota(std::uint64_t value) const noexcept {
  Budget copy = *this;
  copy.cost_quota = value;
  return copy;
}

constexpr Budget Budget::with_priority(std::uint8_t value) const noexcept {
  Budget copy = *this;
  copy.priority = value;
  return copy;
}

constexpr bool Budget::is_exhausted_at(Time now) const noexcept {
  return (deadline && now >= *deadline) || poll_quota == 0 || cost_quota == std::uint64_t{0};
}

}  // namespace quiesce
