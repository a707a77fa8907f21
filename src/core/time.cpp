#include "quiesce/time.hpp"

#include <fmt/format.h>

#include <ostream>

namespace quiesce {
namespace {

struct Unit {
  std::uint64_t nanos;
  const char* suffix;
};
constexpr Unit units[] = {{1'000'000'000, "s"}, {1'000'000, "ms"}, {1'000, "us"}};

}  // namespace

std::string to_string(Time time) {
  const bool negative = time.nanos() < 0;
  // Unsigned negation: the magnitude of the least int64 has no signed form.
  const auto bits = static_cast<std::uint64_t>(time.nanos());
  const std::uint64_t magnitude = negative ? 0 - bits : bits;
  const char* sign = negative ? "-" : "";
  for (const Unit& unit : units) {
    if (magnitude < unit.nanos) continue;
    const std::uint64_t thousandths = magnitude % unit.nanos / (unit.nanos / 1000);
    return fmt::format("{}{}.{:03}{}", sign, magnitude / unit.nanos, thousandths, unit.suffix);
  }
  return fmt::format("{}{}ns", sign, magnitude);
}

std::ostream& operator<<(std::ostream& os, Time time) { return os << to_string(time); }

}  // namespace quiesce
