// A snapshot of a runtime by the number of its tasks, all of which wait; and its text.
// Run: build/optimized/bin/bench_snapshot
#include <thread>

#include "run.hpp"

namespace q = quiesce;

namespace {

struct Waiting {
  q::Event open;
  std::atomic<std::int64_t> missing;
  std::atomic<bool> all_there{false};
  explicit Waiting(std::int64_t count) : missing(count) {}
};

q::Task<> waits(q::Cx cx, Waiting* waiting) {
  if (waiting->missing.fetch_sub(1) == 1) {
    waiting->all_there = true;
    waiting->all_there.notify_one();
  }
  co_await waiting->open.wait(cx);
}

/// Looks at a runtime in which so many tasks wait.
template <class Look>
void look(benchmark::State& state, Look look_at) {
  q::Runtime rt = q::Runtime::builder().workers(1).build();
  Waiting waiting(state.range(0));
  std::thread holder([&] {
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      for (std::int64_t i = 0; i < state.range(0); ++i) {
        auto launched = scope.launch(cx, waits, q::unsafe_send(&waiting));
        if (!launched) co_await std::move(launched);
      }
    };
    (void)rt.block_on<q::CollectAll>(body);
  });
  waiting.all_there.wait(false);
  for (auto _ : state) look_at(rt);
  waiting.open.set();
  holder.join();
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void snapshot(benchmark::State& state) {
  look(state, [](const q::Runtime& rt) { benchmark::DoNotOptimize(rt.snapshot().regions.size()); });
}
BENCHMARK(snapshot)->RangeMultiplier(10)->Range(100, 100'000)->Unit(benchmark::kMicrosecond);

void text(benchmark::State& state) {
  look(state, [](const q::Runtime& rt) { benchmark::DoNotOptimize(rt.snapshot().dump().size()); });
}
BENCHMARK(text)->RangeMultiplier(10)->Range(100, 10'000)->Unit(benchmark::kMicrosecond);

}  // namespace
