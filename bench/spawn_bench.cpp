// What a task costs: spawn and join of an empty one, a nested await, and the memory of one that is suspended.
// Run: build/optimized/bin/bench_spawn
#include <benchmark/benchmark.h>
#include <quiesce/quiesce.hpp>

#include <unistd.h>
#include <cstdio>
#include <cstdlib>

namespace q = quiesce;
using namespace std::chrono_literals;

namespace {

q::Task<> nothing(q::Cx) { co_return; }
q::Task<> child() { co_return; }

q::Task<> spawn_and_join(q::Cx cx, q::Scope<> scope, std::int64_t times) {
  for (std::int64_t i = 0; i < times; ++i) {
    auto handle = co_await scope.spawn(cx, nothing);
    co_await handle.join(cx);
  }
}

void spawn_join(benchmark::State& state) {
  q::Runtime rt = q::Runtime::builder().workers(static_cast<std::uint32_t>(state.range(0))).build();
  constexpr std::int64_t batch = 100'000;
  for (auto _ : state) {
    auto outcome = rt.block_on(
        [](q::Cx cx, q::Scope<>& scope) -> q::Task<> { co_await spawn_and_join(cx, scope, batch); });
    if (!outcome.is_ok()) state.SkipWithError("spawn and join failed");
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(spawn_join)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

void await_child(benchmark::State& state) {
  q::Runtime rt = q::Runtime::builder().workers(1).build();
  constexpr std::int64_t batch = 1'000'000;
  for (auto _ : state) {
    auto outcome = rt.block_on([](q::Cx, q::Scope<>&) -> q::Task<> {
      for (std::int64_t i = 0; i < batch; ++i) co_await child();
    });
    if (!outcome.is_ok()) state.SkipWithError("the awaits failed");
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(await_child)->Unit(benchmark::kMillisecond)->UseRealTime();

std::int64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  long total = 0, resident = 0;
  if (file == nullptr || std::fscanf(file, "%ld %ld", &total, &resident) != 2) std::abort();
  std::fclose(file);
  return static_cast<std::int64_t>(resident) * sysconf(_SC_PAGESIZE);
}

q::Task<> sleeper(q::Cx cx) { co_await cx.sleep(1h); }

/// Resident bytes for each of a million suspended tasks, with their records, frames and timers.
void suspended_task_bytes(benchmark::State& state) {
  constexpr int count = 1'000'000;
  for (auto _ : state) {
    q::Runtime rt = q::Runtime::builder().workers(1).build();
    const std::int64_t before = resident_bytes();
    std::int64_t after = 0;
    auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
      for (int i = 0; i < count; ++i) {
        auto launched = scope.launch(cx, sleeper);
        if (!launched) co_await std::move(launched);
      }
      co_await cx.sleep(1ms);  // all have had their first step
      after = resident_bytes();
      scope.cancel(q::CancelReason::user("measured"));
    });
    benchmark::DoNotOptimize(outcome);
    state.counters["bytes_per_task"] = static_cast<double>(after - before) / count;
  }
}
BENCHMARK(suspended_task_bytes)->Iterations(1)->Unit(benchmark::kMillisecond);

/// Fifty million spawns in one process: resident bytes after the first million and at the end.
void soak(benchmark::State& state) {
  constexpr std::int64_t first = 1'000'000;
  const std::int64_t total = state.range(0);
  for (auto _ : state) {
    q::Runtime rt = q::Runtime::builder().workers(2).build();
    auto run = [&rt](std::int64_t times) {
      auto outcome = rt.block_on(
          [times](q::Cx cx, q::Scope<>& scope) -> q::Task<> { co_await spawn_and_join(cx, scope, times); });
      if (!outcome.is_ok()) std::abort();
    };
    run(first);
    const std::int64_t early = resident_bytes();
    run(total - first);
    state.counters["resident_after_1M"] = static_cast<double>(early);
    state.counters["resident_at_end"] = static_cast<double>(resident_bytes());
  }
}
BENCHMARK(soak)->Arg(50'000'000)->Iterations(1)->Unit(benchmark::kSecond);

}  // namespace

BENCHMARK_MAIN();
