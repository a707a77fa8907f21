#pragma once
// P1 to P4, for peers that have the algorithms: what they work on, and what must come out.
#include <functional>

#include "../numbers.hpp"
#include "common.hpp"

namespace peer {

struct Algorithms {
  std::function<void(numbers::Numbers&)> mix_all;
  std::function<std::uint64_t(const numbers::Numbers&)> mixed_sum;
  std::function<void(const numbers::Numbers& made, numbers::Numbers& scanned)> scan;
  std::function<void(numbers::Numbers&)> sort;
};

/// Runs it `repeats` times, `prepare` before each; the time of an element.
template <class Prepare, class Algorithm>
void measure(const char* workload, std::uint64_t count, Prepare prepare, Algorithm algorithm) {
  double ns = 0;
  for (int i = 0; i < numbers::repeats; ++i) {
    prepare();
    const Clock clock;
    algorithm();
    ns += clock.ns();
  }
  report(workload, "time", ns / (static_cast<double>(count) * numbers::repeats), "ns");
}

/// `on_workers(options, body)` runs the body where the algorithms have their workers.
template <class OnWorkers>
Workloads workloads_of(Algorithms algorithms, OnWorkers on_workers) {
  const auto nothing = [] {};
  Workloads workloads;
  workloads["P1"] = [=](const Options& options) {
    const std::uint64_t count = options.scaled(numbers::elements);
    numbers::Numbers made = numbers::counted(count);
    on_workers(options, [&] { measure("P1", count, nothing, [&] { algorithms.mix_all(made); }); });
    expect_sum("P1", numbers::sum_of(made), numbers::mixed_sum(count, numbers::repeats));
  };
  workloads["P2"] = [=](const Options& options) {
    const std::uint64_t count = options.scaled(numbers::elements);
    const numbers::Numbers made = numbers::counted(count);
    std::uint64_t sum = 0;
    on_workers(options, [&] { measure("P2", count, nothing, [&] { sum += algorithms.mixed_sum(made); }); });
    expect_sum("P2", sum, numbers::mixed_sum(count) * numbers::repeats);
  };
  workloads["P3"] = [=](const Options& options) {
    const std::uint64_t count = options.scaled(numbers::elements);
    const numbers::Numbers made = numbers::counted(count);
    numbers::Numbers scanned(count);
    on_workers(options, [&] { measure("P3", count, nothing, [&] { algorithms.scan(made, scanned); }); });
    expect_sum("P3", numbers::right_prefixes(scanned), count);
  };
  workloads["P4"] = [=](const Options& options) {
    const std::uint64_t count = options.scaled(numbers::to_sort);
    const numbers::Numbers made = numbers::mixed(count);
    numbers::Numbers sorted;
    const auto again = [&] { sorted = made; };
    on_workers(options, [&] { measure("P4", count, again, [&] { algorithms.sort(sorted); }); });
    expect_sum("P4", numbers::sum_if_sorted(sorted), numbers::mixed_sum(count));
  };
  return workloads;
}

}  // namespace peer
