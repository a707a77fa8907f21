// Timers of a worker's wheel: armed and cancelled at once, among many others, and expiring; and a sleep of a task.
// Run: build/optimized/bin/bench_timer
#include <quiesce/detail/exec/timer_wheel.hpp>

#include <vector>

#include "run.hpp"

namespace q = quiesce;
using quiesce::detail::TimerEntry;
using quiesce::detail::TimerWheel;

namespace {

/// 1 to 1000 ms, in no order.
q::Time some_deadline(std::size_t i) {
  return q::Time::from_nanos(static_cast<std::int64_t>(1 + i * 7'919 % 1'000) * 1'000'000);
}

void arm_cancel(benchmark::State& state) {
  TimerWheel wheel;
  std::vector<TimerEntry> others(static_cast<std::size_t>(state.range(0)));
  for (std::size_t i = 0; i < others.size(); ++i) {
    others[i].deadline = some_deadline(i);
    wheel.arm(others[i]);
  }
  TimerEntry entry;
  std::size_t i = 0;
  for (auto _ : state) {
    entry.deadline = some_deadline(++i);
    wheel.arm(entry);
    if (!wheel.disarm(entry)) state.SkipWithError("an armed timer was not there");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(arm_cancel)->Arg(0)->Arg(1'000)->Arg(1'000'000);

void arm_expire(benchmark::State& state) {
  std::vector<TimerEntry> entries(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    TimerWheel wheel;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      entries[i].deadline = some_deadline(i);
      wheel.arm(entries[i]);
    }
    std::size_t fired = 0;
    while (const std::optional<q::Time> next = wheel.next_deadline())
      fired += wheel.advance(*next, [](TimerEntry&) {});
    if (fired != entries.size()) state.SkipWithError("a timer was lost");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(arm_expire)->Arg(1'000)->Arg(1'000'000)->Unit(benchmark::kMicrosecond);

constexpr std::int64_t waits = 100'000;

q::Task<> notifies(q::Cx cx, std::shared_ptr<q::Notify> notify) {
  for (std::int64_t i = 0; i < waits; ++i) {
    notify->notify_one();
    co_await cx.yield();
  }
}

/// A wait with a timeout that never comes.
void timeout(benchmark::State& state) {
  q::bench::run(state, 1, waits, [](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
    auto notify = std::make_shared<q::Notify>();
    auto other = co_await scope.spawn(cx, notifies, q::unsafe_send(notify));
    for (std::int64_t i = 0; i < waits; ++i) co_await q::timeout(cx, std::chrono::hours(1), notify->notified());
    co_await other.join(cx);
  });
}
BENCHMARK(timeout)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
