// W1, W1-fork, W2, W3 and P1 to P4 of bench/README.md in oneTBB, which has no suspension. Usage: workloads WORKLOAD [--workers N] [--small]
#include <oneapi/tbb/task_group.h>

#include <array>
#include <vector>

#include "workers.hpp"

namespace {

using peer::Clock;
using peer::expect_sum;
using peer::Options;
using peer::report;

constexpr const char *w1 = "W1", *w1_fork = "W1-fork";

/// W1 and W1-fork: a task of a group is forked and joined, and has no handle.
template <const char* const& Workload>
void spawn_join(const Options& options) {
  const std::uint64_t count = options.scaled(1'000'000);
  on_workers(options, [&] {
    const Clock clock;
    std::uint64_t sum = 0;
    tbb::task_group group;
    for (std::uint64_t i = 0; i < count; ++i) {
      group.run([&] { ++sum; });
      group.wait();
    }
    report(Workload, "time", clock.ns() / static_cast<double>(count), "ns");
    expect_sum(Workload, sum, count);
  });
}

void fan_out(const Options& options) {
  const std::uint64_t count = options.scaled(1'000'000);
  on_workers(options, [&] {
    const Clock clock;
    std::vector<std::uint32_t> results(count);
    tbb::task_group group;
    for (std::uint64_t i = 0; i < count; ++i) group.run([&results, i] { results[i] = 1; });
    group.wait();
    report("W2", "time", clock.ns() / static_cast<double>(count), "ns");
    std::uint64_t sum = 0;
    for (std::uint32_t result : results) sum += result;
    expect_sum("W2", sum, count);
  });
}

/// One for all nodes of a tree: a context for each would cost as much again, and nobody cancels a part of it.
tbb::task_group_context whole_tree(tbb::task_group_context::isolated);

std::uint64_t fib(unsigned n) {
  if (n < 2) return n;
  std::uint64_t forked = 0, called = 0;
  tbb::task_group group(whole_tree);
  group.run([&forked, n] { forked = fib(n - 1); });
  called = fib(n - 2);
  group.wait();
  return forked + called;
}
void fib_of_32(const Options& options) {
  const unsigned n = options.is_small ? 18 : 32;
  on_workers(options, [&] {
    const Clock clock;
    const std::uint64_t sum = fib(n);
    report("W3-fib", "time", clock.ms(), "ms");
    expect_sum("W3-fib", sum, peer::fibonacci(n));
  });
}

std::uint64_t skynet(std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) return first;
  const std::uint64_t each = leaves / 10;
  std::array<std::uint64_t, 10> sums;
  tbb::task_group group(whole_tree);
  for (std::size_t i = 0; i + 1 < sums.size(); ++i)
    group.run([&sums, i, first, each] { sums[i] = skynet(first + i * each, each); });
  sums.back() = skynet(first + 9 * each, each);
  group.wait();
  std::uint64_t sum = 0;
  for (std::uint64_t child : sums) sum += child;
  return sum;
}
void skynet_of_a_million(const Options& options) {
  const std::uint64_t leaves = options.scaled(1'000'000);
  on_workers(options, [&] {
    const Clock clock;
    const std::uint64_t sum = skynet(0, leaves);
    report("W3-skynet", "time", clock.ms(), "ms");
    expect_sum("W3-skynet", sum, leaves * (leaves - 1) / 2);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const auto as_workers = [](const Options& options, auto&& body) { on_workers(options, body); };
  peer::Workloads workloads = peer::workloads_of(tbb_algorithms(), as_workers);
  workloads.insert({{"W1", spawn_join<w1>},
                    {"W1-fork", spawn_join<w1_fork>},
                    {"W2", fan_out},
                    {"W3-fib", fib_of_32},
                    {"W3-skynet", skynet_of_a_million}});
  return peer::run(argc, argv, workloads);
}
