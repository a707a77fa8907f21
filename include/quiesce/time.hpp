// Time: a point on a runtime's clock, in nanoseconds since that clock started. Duration:
// std::chrono::nanoseconds.
//
// A Time is meaningful only against the clock it came from (monotonic in production, virtual in the lab); it is
// a strong type so that it is never mistaken for a duration or for wall time. All arithmetic saturates at the
// ends of the range instead of overflowing, so `now + Duration::max()` is a deadline that never comes:
// Time::max(). Printed with the largest unit that fits and three decimals: "12ns", "1.250ms", "3.000s". A
// trivially copyable value; every operation is constexpr and costs a few instructions.
//   Time deadline = cx.now() + 20ms;   Duration left = deadline - cx.now();
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <iosfwd>
#include <limits>
#include <string>

namespace quiesce {

using Duration = std::chrono::nanoseconds;

class Time {
 public:
  constexpr Time() noexcept = default;
  [[nodiscard]] static constexpr Time from_nanos(std::int64_t nanos) noexcept { return Time(nanos); }
  [[nodiscard]] static constexpr Time zero() noexcept { return Time(0); }
  [[nodiscard]] static constexpr Time max() noexcept { return Time(std::numeric_limits<std::int64_t>::max()); }

  [[nodiscard]] constexpr std::int64_t nanos() const noexcept { return nanos_; }

  friend constexpr Time operator+(Time time, Duration span) noexcept {
    return Time(add(time.nanos_, span.count()));
  }
  friend constexpr Time operator+(Duration span, Time time) noexcept { return time + span; }
  friend constexpr Time operator-(Time time, Duration span) noexcept {
    return Time(subtract(time.nanos_, span.count()));
  }
  friend constexpr Duration operator-(Time later, Time earlier) noexcept {
    return Duration(subtract(later.nanos_, earlier.nanos_));
  }
  constexpr Time& operator+=(Duration span) noexcept { return *this = *this + span; }
  constexpr Time& operator-=(Duration span) noexcept { return *this = *this - span; }

  friend constexpr auto operator<=>(Time, Time) noexcept = default;

 private:
  explicit constexpr Time(std::int64_t nanos) noexcept : nanos_(nanos) {}

  static constexpr std::int64_t end_of_range(bool positive) noexcept {
    return positive ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
  }
  static constexpr std::int64_t add(std::int64_t a, std::int64_t b) noexcept {
    std::int64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? end_of_range(b > 0) : sum;
  }
  static constexpr std::int64_t subtract(std::int64_t a, std::int64_t b) noexcept {
    std::int64_t difference = 0;
    return __builtin_sub_overflow(a, b, &difference) ? end_of_range(b < 0) : difference;
  }

  std::int64_t nanos_ = 0;
};

[[nodiscard]] std::string to_string(Time time);
std::ostream& operator<<(std::ostream& os, Time time);

}  // namespace quiesce
