// A wait from arming to its claim, on the task word alone; a claim that comes too late; and a wake of a task that sleeps.
// Run: build/optimized/bin/bench_claim
#include <quiesce/detail/kernel/kernel.hpp>

#include "run.hpp"

namespace q = quiesce;
using quiesce::detail::TaskWord;
namespace task_word = quiesce::detail::task_word;

namespace {

void arm_sleep_claim_disarm(benchmark::State& state) {
  quiesce::detail::TaskWordCell<> word;
  word.apply_alone([](TaskWord w) { return task_word::birth(w, true); });
  for (auto _ : state) {
    const bool asleep = word.apply([](TaskWord w) { return task_word::park(w); }).made;
    const std::uint64_t epoch = word.load().epoch();
    const bool won = word.apply([&](TaskWord w) { return task_word::claim(w, epoch, false); }).made;
    const bool ended = word.apply([](TaskWord w) { return task_word::disarm(w); }).made;
    if (!asleep || !won || !ended) state.SkipWithError("a transition was refused");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(arm_sleep_claim_disarm);

void claim_too_late(benchmark::State& state) {
  quiesce::detail::TaskWordCell<> word;
  word.apply_alone([](TaskWord w) { return task_word::birth(w, true); });
  for (auto _ : state) {
    if (word.apply([](TaskWord w) { return task_word::claim(w, 1, false); }).made)
      state.SkipWithError("a claim of no wait was won");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(claim_too_late);

constexpr std::int64_t rounds = 100'000;

q::Task<> waits(q::Cx cx, std::shared_ptr<q::Notify> notify) {
  for (std::int64_t i = 0; i < rounds; ++i) co_await notify->notified(cx);
}

/// One worker: a task is claimed, goes on, and waits again.
void wake(benchmark::State& state) {
  q::bench::run(state, 1, rounds, [](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
    auto notify = std::make_shared<q::Notify>();
    auto waiter = co_await scope.spawn(cx, waits, q::unsafe_send(notify));
    while (!waiter.is_finished()) {
      notify->notify_one();
      co_await cx.yield();
    }
  });
}
BENCHMARK(wake)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
