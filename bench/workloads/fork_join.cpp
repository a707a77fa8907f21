// W1-fork: what a branch costs that does nothing. W3: divide and conquer, one branch or one task a node and no cutoff.
#include <quiesce/fork_join.hpp>

#include <array>
#include <tuple>
#include <utility>
#include <vector>

#include "workload.hpp"

namespace workloads {
namespace {

std::uint64_t fibonacci(std::uint32_t n) {
  std::uint64_t now = 0, next = 1;
  for (; n > 0; --n) now = std::exchange(next, now + next);
  return now;
}

/// Runs `root(cx, scope)`, a tree; the time of all of it.
template <class Root>
void grow(const char* workload, const Options& options, std::uint64_t expected, Root root) {
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    const Clock clock;
    const std::uint64_t sum = co_await root(cx, scope);
    report(workload, "time", clock.ms(), "ms");
    expect_sum(workload, sum, expected);
  });
  expect_ok(workload, outcome);
}

// ---- a branch that does nothing ----

q::Task<std::uint64_t> one(q::Cx) { co_return 1; }

void fork_and_join(const Options& options) {
  const std::uint64_t count = options.scaled(1'000'000);
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>&) -> q::Task<> {
    const Clock clock;
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      auto [forked] = co_await q::fork_join(cx, q::fork(one));
      sum += forked;
    }
    report("W1-fork", "time", clock.ns() / static_cast<double>(count), "ns");
    expect_sum("W1-fork", sum, count);
  });
  expect_ok("W1-fork", outcome);
}

// ---- by fork_join ----

q::Task<std::uint64_t> fib(q::Cx cx, std::uint32_t n) {
  if (n < 2) co_return n;
  auto [forked, called] = co_await q::fork_join(cx, q::fork(fib, n - 1), q::call(fib, n - 2));
  co_return forked + called;
}

void fib_of_32(const Options& options) {
  const std::uint32_t n = options.is_small ? 18 : 32;
  grow("W3-fib", options, fibonacci(n), [n](q::Cx cx, q::Scope<>&) { return fib(cx, n); });
}

/// The sum of the numbers first … first + leaves - 1, one leaf of the tree each.
q::Task<std::uint64_t> skynet(q::Cx cx, std::uint64_t first, std::uint64_t leaves);

template <std::size_t... I>
q::Task<std::uint64_t> skynet_node(q::Cx cx, std::uint64_t first, std::uint64_t each,
                                   std::index_sequence<I...>) {
  auto sums = co_await q::fork_join(cx, q::fork(skynet, first + I * each, each)...,
                                    q::call(skynet, first + sizeof...(I) * each, each));
  co_return std::apply([](auto... sum) { return (sum + ...); }, sums);
}
q::Task<std::uint64_t> skynet_leaf(q::Cx, std::uint64_t number) { co_return number; }
q::Task<std::uint64_t> skynet(q::Cx cx, std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) return skynet_leaf(cx, first);
  return skynet_node(cx, first, leaves / 10, std::make_index_sequence<9>());
}

void skynet_of_a_million(const Options& options) {
  const std::uint64_t leaves = options.scaled(1'000'000);
  grow("W3-skynet", options, leaves * (leaves - 1) / 2,
       [leaves](q::Cx cx, q::Scope<>&) { return skynet(cx, 0, leaves); });
}

// ---- by tasks, with a handle and an outcome each ----

q::Task<std::uint64_t> spawned_fib(q::Cx cx, q::Scope<> scope, std::uint32_t n) {
  if (n < 2) co_return n;
  auto forked = co_await scope.spawn(cx, spawned_fib, scope, n - 1);
  const std::uint64_t called = co_await spawned_fib(cx, scope, n - 2);
  co_return called + co_await forked.join(cx);
}

void spawned_fib_of_27(const Options& options) {
  const std::uint32_t n = options.is_small ? 18 : 27;
  grow("W3-spawn-fib", options, fibonacci(n),
       [n](q::Cx cx, q::Scope<>& scope) { return spawned_fib(cx, scope, n); });
}

q::Task<std::uint64_t> spawned_skynet(q::Cx cx, q::Scope<> scope, std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) co_return first;
  std::array<q::TaskHandle<std::uint64_t>, 10> children;
  const std::uint64_t each = leaves / children.size();
  for (std::size_t i = 0; i < children.size(); ++i)
    children[i] = co_await scope.spawn(cx, spawned_skynet, scope, first + i * each, each);
  std::uint64_t sum = 0;
  for (auto& child : children) sum += co_await child.join(cx);
  co_return sum;
}

void spawned_skynet_of_100k(const Options& options) {
  const std::uint64_t leaves = options.scaled(100'000);
  grow("W3-spawn-skynet", options, leaves * (leaves - 1) / 2,
       [leaves](q::Cx cx, q::Scope<>& scope) { return spawned_skynet(cx, scope, 0, leaves); });
}

constexpr std::array list{
    Workload{"W1-fork", "fork one empty branch and join it, 1,000,000 times", fork_and_join},
    Workload{"W3-fib", "fib(32), one fork and one inline call a node", fib_of_32},
    Workload{"W3-skynet", "a tree of ten branches a node and 1,000,000 leaves; sum of their numbers",
             skynet_of_a_million},
    Workload{"W3-spawn-fib", "fib(27), one spawned task and one inline call a node", spawned_fib_of_27},
    Workload{"W3-spawn-skynet", "a tree of ten tasks a node and 100,000 leaves; sum of their numbers",
             spawned_skynet_of_100k},
};

}  // namespace

std::span<const Workload> fork_join() { return list; }

}  // namespace workloads
