// What a task asks its context: whether it is still valid, its budget, its capabilities, whether it shall stop. An item is one question.
// Run: build/optimized/bin/bench_cx
#include "run.hpp"

namespace q = quiesce;

namespace {

constexpr std::int64_t questions = 100'000;

template <class Ask>
void ask(benchmark::State& state, Ask question) {
  q::bench::run(state, 1, questions, [question](q::Cx cx, q::Scope<q::CollectAll>&) -> q::Task<> {
    for (std::int64_t i = 0; i < questions; ++i) benchmark::DoNotOptimize(question(cx));
    co_return;
  });
}

void checkpoint(benchmark::State& state) {
  ask(state, [](const q::Cx& cx) { return cx.checkpoint().is_ok(); });
}
void checkpoint_masked(benchmark::State& state) {
  q::bench::run(state, 1, questions, [](q::Cx cx, q::Scope<q::CollectAll>&) -> q::Task<> {
    q::MaskGuard mask = cx.mask();
    for (std::int64_t i = 0; i < questions; ++i) benchmark::DoNotOptimize(cx.checkpoint().is_ok());
    co_return;
  });
}
void is_cancel_requested(benchmark::State& state) {
  ask(state, [](const q::Cx& cx) { return cx.is_cancel_requested(); });
}
void is_valid(benchmark::State& state) {
  ask(state, [](const q::Cx& cx) { return cx.is_valid(); });
}
void budget(benchmark::State& state) {
  ask(state, [](const q::Cx& cx) { return cx.budget().deadline.has_value(); });
}
void remaining(benchmark::State& state) {
  ask(state, [](const q::Cx& cx) { return cx.remaining().has_value(); });
}
void charge_without_quota(benchmark::State& state) {
  ask(state, [](const q::Cx& cx) { return cx.charge(1); });
}
void charge_with_quota(benchmark::State& state) {
  q::bench::run(state, 1, questions, [](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
    const q::Budget budget = q::Budget::infinite().with_cost_quota(1'000'000'000);
    co_await scope.region_with_budget(cx, budget, q::FailFast{}, [](q::Cx inner, q::Scope<>&) -> q::Task<> {
      for (std::int64_t i = 0; i < questions; ++i) benchmark::DoNotOptimize(inner.charge(1));
      co_return;
    });
  });
}
void capability(benchmark::State& state) {
  ask(state, [](const q::Cx& cx) { return cx.blocking_pool() != nullptr; });
}
void restricted(benchmark::State& state) {
  ask(state, [](const q::Cx& cx) { return cx.restrict<q::cap::Time>().has_timer(); });
}
void now(benchmark::State& state) {
  ask(state, [](const q::Cx& cx) { return cx.now(); });
}
void random(benchmark::State& state) {
  ask(state, [](const q::Cx& cx) { return cx.random_u64(); });
}

BENCHMARK(checkpoint)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(checkpoint_masked)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(is_cancel_requested)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(is_valid)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(budget)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(remaining)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(charge_without_quota)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(charge_with_quota)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(capability)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(restricted)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(now)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(random)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
