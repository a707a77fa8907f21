// A wake: two tasks pass a turn to and fro, on one worker, and pinned to two, where each worker sleeps while the other runs.
// Run: build/optimized/bin/bench_wake
#include <chrono>
#include <thread>

#include "run.hpp"

namespace q = quiesce;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::int64_t rounds = 10'000;

struct Turns {
  q::Notify mine, yours;
  std::atomic<bool> is_pinned{false};
  std::thread::id asker, answerer;
};

q::Task<> answers(q::Cx cx, std::shared_ptr<Turns> turns) {
  for (std::int64_t i = 0; i < rounds; ++i) {
    co_await turns->yours.notified(cx);
    turns->mine.notify_one();
  }
}

q::Task<> asks(q::Cx cx, std::shared_ptr<Turns> turns) {
  for (std::int64_t i = 0; i < rounds; ++i) {
    turns->yours.notify_one();
    co_await turns->mine.notified(cx);
  }
}

/// Pins the other half to the worker that steps this one.
q::Task<> pins(q::Cx cx, q::Scope<q::CollectAll> scope, std::shared_ptr<Turns> turns) {
  turns->answerer = std::this_thread::get_id();
  auto local = co_await scope.spawn_local(cx, answers, turns);
  turns->is_pinned = true;
  co_await local.join(cx);
}

/// An item is a round: two wakes.
void round_trip(benchmark::State& state) {
  const auto workers = static_cast<std::uint32_t>(state.range(0));
  q::Runtime rt = q::Runtime::builder().workers(workers).build();
  for (auto _ : state) {
    auto turns = std::make_shared<Turns>();
    std::chrono::duration<double> took{};
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      turns->asker = std::this_thread::get_id();
      auto other = co_await scope.spawn(cx, pins, scope, q::unsafe_send(turns));
      // As long as this step lasts nobody but another worker can have it.
      while (workers > 1 && !turns->is_pinned) std::this_thread::yield();
      const Clock::time_point begun = Clock::now();
      auto mine = co_await scope.spawn_local(cx, asks, turns);
      co_await mine.join(cx);
      took = Clock::now() - begun;
      co_await other.join(cx);
    };
    if (!rt.block_on<q::CollectAll>(body).is_ok()) state.SkipWithError("the body has failed");
    if ((turns->asker == turns->answerer) != (workers == 1))
      state.SkipWithError("the tasks are on the wrong workers");
    state.SetIterationTime(took.count());
  }
  state.SetItemsProcessed(state.iterations() * rounds);
}
BENCHMARK(round_trip)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseManualTime();

}  // namespace
