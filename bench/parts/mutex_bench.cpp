// A mutex: free; wanted by eight tasks that hold it for no longer than an increment; and handed over each time, since its holders give way.
// Run: build/optimized/bin/bench_mutex
#include <vector>

#include "run.hpp"

namespace q = quiesce;

namespace {

using Counter = q::Mutex<std::int64_t>;
constexpr std::int64_t locks = 100'000;

void uncontended(benchmark::State& state) {
  q::bench::run(state, 1, locks, [](q::Cx cx, q::Scope<q::CollectAll>&) -> q::Task<> {
    Counter counter(0);
    for (std::int64_t i = 0; i < locks; ++i) {
      auto guard = co_await counter.lock(cx);
      ++*guard;
    }
  });
}
BENCHMARK(uncontended)->Unit(benchmark::kMillisecond)->UseRealTime();

void try_lock(benchmark::State& state) {
  q::bench::run(state, 1, locks, [](q::Cx, q::Scope<q::CollectAll>&) -> q::Task<> {
    Counter counter(0);
    for (std::int64_t i = 0; i < locks; ++i) {
      auto guard = counter.try_lock();
      ++**guard;
    }
    co_return;
  });
}
BENCHMARK(try_lock)->Unit(benchmark::kMillisecond)->UseRealTime();

q::Task<> increments(q::Cx cx, std::shared_ptr<Counter> counter, std::int64_t times, bool gives_way) {
  for (std::int64_t i = 0; i < times; ++i) {
    auto guard = co_await counter->lock(cx);
    ++*guard;
    if (gives_way) co_await cx.yield();
  }
}

void contended(benchmark::State& state, bool gives_way) {
  constexpr std::int64_t tasks = 8;
  const auto workers = static_cast<std::uint32_t>(state.range(0));
  q::bench::run(state, workers, locks, [gives_way](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
    auto counter = std::make_shared<Counter>(0);
    std::vector<q::TaskHandle<>> handles;
    for (std::int64_t i = 0; i < tasks; ++i)
      handles.push_back(
          co_await scope.spawn(cx, increments, q::unsafe_send(counter), locks / tasks, gives_way));
    for (auto& handle : handles) co_await handle.join(cx);
    auto guard = co_await counter->lock(cx);
    if (*guard != locks) throw std::logic_error("increments were lost");
  });
}
BENCHMARK_CAPTURE(contended, eight_tasks, false)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(contended, handed_over, true)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
