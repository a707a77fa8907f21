// P1 to P4 of bench/README.md in oneTBB.
#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/parallel_reduce.h>
#include <oneapi/tbb/parallel_scan.h>
#include <oneapi/tbb/parallel_sort.h>

#include <functional>

#include "../algorithms.hpp"
#include "workers.hpp"

namespace {

using numbers::Numbers;
using Range = tbb::blocked_range<std::size_t>;

void mix_all(Numbers& made) {
  tbb::parallel_for(Range(0, made.size()), [&](const Range& range) {
    for (std::size_t i = range.begin(); i != range.end(); ++i) made[i] = numbers::mix(made[i]);
  });
}

std::uint64_t mixed_sum(const Numbers& made) {
  return tbb::parallel_reduce(
      Range(0, made.size()), std::uint64_t{0},
      [&](const Range& range, std::uint64_t sum) {
        for (std::size_t i = range.begin(); i != range.end(); ++i) sum += numbers::mix(made[i]);
        return sum;
      },
      std::plus<>());
}

void scan(const Numbers& made, Numbers& scanned) {
  tbb::parallel_scan(
      Range(0, made.size()), std::uint64_t{0},
      [&](const Range& range, std::uint64_t sum, bool is_final) {
        for (std::size_t i = range.begin(); i != range.end(); ++i) {
          sum += made[i];
          if (is_final) scanned[i] = sum;
        }
        return sum;
      },
      std::plus<>());
}

}  // namespace

peer::Algorithms tbb_algorithms() {
  return {mix_all, mixed_sum, scan, [](Numbers& made) { tbb::parallel_sort(made); }};
}
