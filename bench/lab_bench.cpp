// How many runs the lab makes in a second of a body of three tasks and some twenty steps.
// Run: build/optimized/bin/bench_lab
#include <benchmark/benchmark.h>
#include <quiesce/lab.hpp>
#include <quiesce/quiesce.hpp>

namespace q = quiesce;
namespace lab = quiesce::lab;

namespace {

q::Task<> three_tasks(q::Cx cx, q::Scope<>& scope) {
  lab::atomic<int> counter{0};
  auto work = [&counter](q::Cx mine) -> q::Task<> {
    for (int i = 0; i < 3; ++i) {
      counter.fetch_add(1);
      co_await mine.yield();
    }
  };
  auto a = scope.spawn(cx, q::unsafe_send(work)).value();
  auto b = scope.spawn(cx, q::unsafe_send(work)).value();
  auto c = scope.spawn(cx, q::unsafe_send(work)).value();
  co_await a.join(cx);
  co_await b.join(cx);
  co_await c.join(cx);
}

void runs(benchmark::State& state, lab::StrategySpec strategy) {
  constexpr std::uint64_t batch = 2'000;
  std::uint64_t made = 0, steps = 0;
  for (auto _ : state) {
    lab::Report report = lab::explore({.strategy = strategy, .max_runs = batch}, three_tasks);
    if (report.failed()) state.SkipWithError("the body failed");
    made += report.runs;
    steps += report.steps;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(made));
  state.counters["steps_per_run"] = static_cast<double>(steps) / static_cast<double>(made);
}
BENCHMARK_CAPTURE(runs, random, lab::random())->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(runs, pct_3, lab::pct(3))->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(runs, dpor, lab::dpor())->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
