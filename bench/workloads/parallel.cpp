// P1 to P4: the parallel algorithms.
#include <quiesce/parallel/for_each.hpp>
#include <quiesce/parallel/inclusive_scan.hpp>
#include <quiesce/parallel/sort.hpp>
#include <quiesce/parallel/transform_reduce.hpp>

#include <array>
#include <functional>
#include <utility>

#include "../numbers.hpp"
#include "workload.hpp"

namespace workloads {
namespace {

using numbers::Numbers;
using numbers::repeats;

/// Runs the algorithm `repeats` times, `prepare` before each; the time of an element.
template <class Prepare, class Algorithm>
void measure(const char* workload, const Options& options, std::uint64_t count, Prepare prepare,
             Algorithm algorithm) {
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>&) -> q::Task<> {
    double ns = 0;
    for (int i = 0; i < repeats; ++i) {
      prepare();
      const Clock clock;
      co_await algorithm(cx);
      ns += clock.ns();
    }
    report(workload, "time", ns / (static_cast<double>(count) * repeats), "ns");
  });
  expect_ok(workload, outcome);
}
void nothing() {}

void for_each(const Options& options) {
  const std::uint64_t count = options.scaled(numbers::elements);
  Numbers made = numbers::counted(count);
  measure("P1", options, count, nothing, [&](q::Cx cx) {
    return q::parallel::for_each(cx, made, [](std::uint64_t& x) { x = numbers::mix(x); });
  });
  expect_sum("P1", numbers::sum_of(made), numbers::mixed_sum(count, repeats));
}

void transform_reduce(const Options& options) {
  const std::uint64_t count = options.scaled(numbers::elements);
  const Numbers made = numbers::counted(count);
  std::uint64_t sum = 0;
  auto mixed = [](std::uint64_t x) { return numbers::mix(x); };
  measure("P2", options, count, nothing, [&](q::Cx cx) -> q::Task<> {
    sum += co_await q::parallel::transform_reduce(cx, made, std::uint64_t{0}, std::plus<>(), mixed);
  });
  expect_sum("P2", sum, numbers::mixed_sum(count) * repeats);
}

void inclusive_scan(const Options& options) {
  const std::uint64_t count = options.scaled(numbers::elements);
  const Numbers made = numbers::counted(count);
  Numbers scanned(count);
  measure("P3", options, count, nothing,
          [&](q::Cx cx) { return q::parallel::inclusive_scan(cx, made, scanned.begin()); });
  expect_sum("P3", numbers::right_prefixes(scanned), count);
}

void sort(const Options& options) {
  const std::uint64_t count = options.scaled(numbers::to_sort);
  const Numbers made = numbers::mixed(count);
  Numbers sorted;
  auto again = [&] { sorted = made; };
  measure("P4", options, count, again, [&](q::Cx cx) { return q::parallel::sort(cx, sorted); });
  expect_sum("P4", numbers::sum_if_sorted(sorted), numbers::mixed_sum(count));
}

constexpr std::array list{
    Workload{"P1", "for_each: 10,000,000 numbers, mixed", for_each},
    Workload{"P2", "transform_reduce: the sum of 10,000,000 mixed numbers", transform_reduce},
    Workload{"P3", "inclusive_scan: sums of 10,000,000 numbers", inclusive_scan},
    Workload{"P4", "sort: 1,000,000 numbers in no order", sort},
};

}  // namespace

std::span<const Workload> algorithms() { return list; }

}  // namespace workloads
