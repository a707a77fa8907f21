// The ready queue of a worker: push and pop by its owner, steal by its owner (as a FIFO) and by another thread.
// Run: build/optimized/bin/bench_deque
#include <benchmark/benchmark.h>
#include <quiesce/detail/exec/deque.hpp>

#include <atomic>
#include <thread>

namespace {

struct Item {};
using Deque = quiesce::detail::WorkDeque<Item>;
constexpr int batch = 128;

void push_pop(benchmark::State& state) {
  Deque deque;
  Item item;
  for (auto _ : state) {
    for (int i = 0; i < batch; ++i) benchmark::DoNotOptimize(deque.push(&item));
    for (int i = 0; i < batch; ++i) benchmark::DoNotOptimize(deque.pop());
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(push_pop);

void push_pop_fifo(benchmark::State& state) {
  Deque deque;
  Item item;
  for (auto _ : state) {
    for (int i = 0; i < batch; ++i) benchmark::DoNotOptimize(deque.push(&item));
    for (int i = 0; i < batch; ++i) benchmark::DoNotOptimize(deque.pop_fifo());
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(push_pop_fifo);

void take_half(benchmark::State& state) {
  Deque deque;
  Item item;
  Item* taken[Deque::half];
  std::int64_t moved = 0;
  for (auto _ : state) {
    while (deque.push(&item)) continue;
    moved += deque.take_half(taken);
  }
  state.SetItemsProcessed(moved);
}
BENCHMARK(take_half);

/// The owner pushes and pops while another thread steals what it can get.
void push_pop_beside_a_thief(benchmark::State& state) {
  Deque deque;
  Item item;
  std::atomic<bool> stop{false};
  std::int64_t stolen = 0;
  std::thread thief([&] {
    while (!stop.load(std::memory_order_relaxed)) stolen += deque.steal() != nullptr ? 1 : 0;
  });
  for (auto _ : state) {
    for (int i = 0; i < batch; ++i) benchmark::DoNotOptimize(deque.push(&item));
    while (deque.pop() != nullptr) continue;
  }
  stop = true;
  thief.join();
  state.SetItemsProcessed(state.iterations() * batch);
  state.counters["stolen_percent"] =
      100.0 * static_cast<double>(stolen) / static_cast<double>(state.iterations() * batch);
}
BENCHMARK(push_pop_beside_a_thief)->UseRealTime();

}  // namespace
