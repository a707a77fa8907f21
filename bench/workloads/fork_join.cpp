// W3: divide and conquer, one task a node and no cutoff.
#include <array>
#include <vector>

#include "workload.hpp"

namespace workloads {
namespace {

q::Task<std::uint64_t> fib(q::Cx cx, q::Scope<> scope, std::uint32_t n) {
  if (n < 2) co_return n;
  auto forked = co_await scope.spawn(cx, fib, scope, n - 1);
  const std::uint64_t called = co_await fib(cx, scope, n - 2);
  co_return called + co_await forked.join(cx);
}

std::uint64_t fibonacci(std::uint32_t n) {
  std::uint64_t now = 0, next = 1;
  for (; n > 0; --n) now = std::exchange(next, now + next);
  return now;
}

void fib_of_32(const Options& options) {
  const std::uint32_t n = options.is_small ? 18 : 32;
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    const Clock clock;
    const std::uint64_t sum = co_await fib(cx, scope, n);
    report("W3-fib", "time", clock.ms(), "ms");
    expect_sum("W3-fib", sum, fibonacci(n));
  });
  expect_ok("W3-fib", outcome);
}

/// The sum of the numbers first … first + leaves - 1, one leaf of the tree each.
q::Task<std::uint64_t> skynet(q::Cx cx, q::Scope<> scope, std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) co_return first;
  std::array<q::TaskHandle<std::uint64_t>, 10> children;
  const std::uint64_t each = leaves / children.size();
  for (std::size_t i = 0; i < children.size(); ++i)
    children[i] = co_await scope.spawn(cx, skynet, scope, first + i * each, each);
  std::uint64_t sum = 0;
  for (auto& child : children) sum += co_await child.join(cx);
  co_return sum;
}

void skynet_of_a_million(const Options& options) {
  const std::uint64_t leaves = options.scaled(1'000'000);
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    const Clock clock;
    const std::uint64_t sum = co_await skynet(cx, scope, 0, leaves);
    report("W3-skynet", "time", clock.ms(), "ms");
    expect_sum("W3-skynet", sum, leaves * (leaves - 1) / 2);
  });
  expect_ok("W3-skynet", outcome);
}

constexpr std::array list{
    Workload{"W3-fib", "fib(32), one forked child and one inline call a node", fib_of_32},
    Workload{"W3-skynet", "a tree of ten children a node and 1,000,000 leaves; sum of their numbers",
             skynet_of_a_million},
};

}  // namespace

std::span<const Workload> fork_join() { return list; }

}  // namespace workloads
