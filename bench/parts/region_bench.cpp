// A child region: opened and closed with an empty body, with a deadline, and with one task in it.
// Run: build/optimized/bin/bench_region
#include "run.hpp"

namespace q = quiesce;

namespace {

constexpr std::int64_t regions = 50'000;

void open_close(benchmark::State& state) {
  q::bench::run(state, 1, regions, [](q::Cx cx, q::Scope<q::CollectAll>&) -> q::Task<> {
    for (std::int64_t i = 0; i < regions; ++i)
      co_await q::region(cx, q::FailFast{}, [](q::Cx, q::Scope<>&) -> q::Task<> { co_return; });
  });
}
BENCHMARK(open_close)->Unit(benchmark::kMillisecond)->UseRealTime();

void open_close_with_deadline(benchmark::State& state) {
  q::bench::run(state, 1, regions, [](q::Cx cx, q::Scope<q::CollectAll>&) -> q::Task<> {
    const q::Time far = cx.now() + std::chrono::hours(1);
    for (std::int64_t i = 0; i < regions; ++i)
      co_await q::deadline(cx, far, [](q::Cx, q::Scope<>&) -> q::Task<> { co_return; });
  });
}
BENCHMARK(open_close_with_deadline)->Unit(benchmark::kMillisecond)->UseRealTime();

void with_one_task(benchmark::State& state) {
  q::bench::run(state, 1, regions, [](q::Cx cx, q::Scope<q::CollectAll>&) -> q::Task<> {
    for (std::int64_t i = 0; i < regions; ++i) {
      co_await q::region(cx, q::FailFast{}, [](q::Cx inner, q::Scope<>& scope) -> q::Task<> {
        auto launched = scope.launch(inner, q::bench::nothing);
        if (!launched) co_await std::move(launched);
      });
    }
  });
}
BENCHMARK(with_one_task)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
