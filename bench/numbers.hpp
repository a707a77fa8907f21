#pragma once
// What the parallel algorithms of all contenders work on, P1 to P4 of bench/README.md, and what must come out of it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace numbers {

using Numbers = std::vector<std::uint64_t>;

/// How often an algorithm is run in a process; what is told is the time of one run by its elements.
inline constexpr int repeats = 8;
inline constexpr std::uint64_t elements = 10'000'000, to_sort = 1'000'000;

/// A nanosecond or two of work (the finaliser of SplitMix64: Steele, Lea, Flood, OOPSLA 2014).
inline std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

/// 0, 1, 2, …
inline Numbers counted(std::uint64_t count) {
  Numbers made(count);
  for (std::uint64_t i = 0; i < count; ++i) made[i] = i;
  return made;
}
/// All different, in no order.
inline Numbers mixed(std::uint64_t count) {
  Numbers made(count);
  for (std::uint64_t i = 0; i < count; ++i) made[i] = mix(i);
  return made;
}

inline std::uint64_t sum_of(const Numbers& numbers) {
  std::uint64_t sum = 0;
  for (std::uint64_t number : numbers) sum += number;
  return sum;
}
/// Of all those that `mixed` makes.
inline std::uint64_t mixed_sum(std::uint64_t count) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < count; ++i) sum += mix(i);
  return sum;
}
/// Of what `counted` makes, mixed so many times.
inline std::uint64_t mixed_sum(std::uint64_t count, int times) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t x = i;
    for (int n = 0; n < times; ++n) x = mix(x);
    sum += x;
  }
  return sum;
}
/// How many elements are as a scan of `counted` has them.
inline std::uint64_t right_prefixes(const Numbers& scanned) {
  std::uint64_t right = 0;
  for (std::uint64_t i = 0; i < scanned.size(); ++i) right += scanned[i] == i * (i + 1) / 2;
  return right;
}
/// The sum, or 0 where they are not in order.
inline std::uint64_t sum_if_sorted(const Numbers& numbers) {
  return std::is_sorted(numbers.begin(), numbers.end()) ? sum_of(numbers) : 0;
}

}  // namespace numbers
