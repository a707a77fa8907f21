// The cancel of a region by its size: from the request until all of its sleeping tasks have ended and it has closed.
// Run: build/optimized/bin/bench_cancel
#include <chrono>

#include "run.hpp"

namespace q = quiesce;
using Clock = std::chrono::steady_clock;

namespace {

q::Task<> sleeps(q::Cx cx, q::Event* all_there, std::atomic<std::int64_t>* missing) {
  if (missing->fetch_sub(1) == 1) all_there->set();
  co_await cx.sleep(std::chrono::hours(1));
}

void cancel(benchmark::State& state) {
  q::Runtime rt = q::Runtime::builder().workers(static_cast<std::uint32_t>(state.range(1))).build();
  for (auto _ : state) {
    Clock::time_point begun;
    q::Event all_there;
    std::atomic<std::int64_t> missing{state.range(0)};
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      for (std::int64_t i = 0; i < state.range(0); ++i) {
        auto launched = scope.launch(cx, sleeps, q::unsafe_send(&all_there), q::unsafe_send(&missing));
        if (!launched) co_await std::move(launched);
      }
      co_await all_there.wait(cx);
      begun = Clock::now();
      scope.cancel(q::CancelReason::user("measured"));
    };
    if (!rt.block_on<q::CollectAll>(body).is_cancelled()) state.SkipWithError("the region was not cancelled");
    state.SetIterationTime(std::chrono::duration<double>(Clock::now() - begun).count());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(cancel)
    ->ArgsProduct({benchmark::CreateRange(100, 1'000'000, 10), {1, 2}})
    ->Unit(benchmark::kMicrosecond)
    ->UseManualTime();

}  // namespace
