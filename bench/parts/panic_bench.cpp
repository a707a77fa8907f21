// A task that panics: isolated, and shown to whoever joins it; beside one that ends with an Err, and one that ends well.
// Run: build/optimized/bin/bench_panic
#include <quiesce/panic_isolation.hpp>

#include <stdexcept>

#include "run.hpp"

namespace q = quiesce;

namespace {

constexpr std::int64_t tasks = 5'000;

q::Task<> panics(q::Cx) {
  throw std::runtime_error("planned");
  co_return;
}
q::Task<> fails(q::Cx) { co_await q::fail(q::Error(q::ErrorCode::Io, "planned")); }

/// Panics without end in one region, without the threshold that would stop it, and not logged.
q::Runtime tolerant() {
  q::PanicIsolationConfig config;
  config.enable_panic_logging = false;
  config.panic_threshold_per_region = std::nullopt;
  return q::Runtime::builder().workers(1).panic_isolation(config).build();
}

template <auto Function>
void ends(benchmark::State& state) {
  q::Runtime rt = tolerant();
  for (auto _ : state) {
    auto outcome = rt.block_on<q::CollectAll>([](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      for (std::int64_t i = 0; i < tasks; ++i) {
        auto handle = co_await scope.spawn(cx, Function);
        benchmark::DoNotOptimize(co_await handle.join(cx).outcome());
      }
    });
    benchmark::DoNotOptimize(outcome);
  }
  state.SetItemsProcessed(state.iterations() * tasks);
}
BENCHMARK(ends<q::bench::nothing>)->Name("ends_well")->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(ends<fails>)->Name("ends_with_err")->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(ends<panics>)->Name("panic_isolated")->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
