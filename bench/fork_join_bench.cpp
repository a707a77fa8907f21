// What a branch of a fork_join costs that nobody takes, beside a plain await and a spawned task: time a node of the tree.
// Run: build/optimized/bin/bench_fork_join
#include <benchmark/benchmark.h>
#include <quiesce/fork_join.hpp>
#include <quiesce/parallel/sort.hpp>
#include <quiesce/parallel/transform_reduce.hpp>
#include <quiesce/quiesce.hpp>

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

namespace q = quiesce;

namespace {

constexpr int depth = 20;
constexpr std::int64_t nodes = 21'891;  // of fib(20)

q::Task<long> forked(q::Cx cx, int n) {
  if (n < 2) co_return n;
  auto [a, b] = co_await q::fork_join(cx, q::fork(forked, n - 1), q::call(forked, n - 2));
  co_return a + b;
}
q::Task<long> awaited(q::Cx cx, int n) {
  if (n < 2) co_return n;
  const long a = co_await awaited(cx, n - 1);
  const long b = co_await awaited(cx, n - 2);
  co_return a + b;
}
q::Task<long> spawned(q::Cx cx, q::Scope<> scope, int n) {
  if (n < 2) co_return n;
  auto a = co_await scope.spawn(cx, spawned, scope, n - 1);
  const long b = co_await spawned(cx, scope, n - 2);
  co_return co_await a.join(cx) + b;
}

template <class F>
void tree(benchmark::State& state, F f) {
  q::Runtime rt = q::Runtime::builder().workers(static_cast<std::uint32_t>(state.range(0))).build();
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<long> { return f(cx, scope); };
  for (auto _ : state) {
    if (rt.block_on(body).value() != 6765) state.SkipWithError("a wrong sum");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * nodes);
}
void fork_join(benchmark::State& state) {
  tree(state, [](q::Cx cx, q::Scope<>&) { return forked(cx, depth); });
}
void plain_await(benchmark::State& state) {
  tree(state, [](q::Cx cx, q::Scope<>&) { return awaited(cx, depth); });
}
void spawn_and_join(benchmark::State& state) {
  tree(state, [](q::Cx cx, q::Scope<>& scope) { return spawned(cx, scope, depth); });
}
BENCHMARK(fork_join)->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(plain_await)->Arg(1)->UseRealTime();
BENCHMARK(spawn_and_join)->Arg(1)->Arg(2)->UseRealTime();

void parallel_sort(benchmark::State& state) {
  q::Runtime rt = q::Runtime::builder().workers(2).build();
  std::vector<unsigned> given(1'000'000), numbers;
  for (std::size_t i = 0; i < given.size(); ++i) given[i] = static_cast<unsigned>(i) * 2'654'435'761u;
  auto body = [&](q::Cx cx, q::Scope<>&) -> q::Task<> { return q::parallel::sort(cx, numbers); };
  for (auto _ : state) {
    numbers = given;
    if (!rt.block_on(body).is_ok()) state.SkipWithError("not sorted");
  }
}
void standard_sort(benchmark::State& state) {
  std::vector<unsigned> given(1'000'000), numbers;
  for (std::size_t i = 0; i < given.size(); ++i) given[i] = static_cast<unsigned>(i) * 2'654'435'761u;
  for (auto _ : state) {
    numbers = given;
    std::sort(numbers.begin(), numbers.end());
  }
}
BENCHMARK(parallel_sort)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(standard_sort)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
