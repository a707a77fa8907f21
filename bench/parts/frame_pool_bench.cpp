// Memory of coroutine frames: taken and given back at once, in bursts beyond a thread's own stock, and made here and freed there; each
// beside the same with `operator new`.
// Run: build/optimized/bin/bench_frame_pool
#include <benchmark/benchmark.h>
#include <quiesce/detail/coro/frame_pool.hpp>

#include <memory>
#include <new>
#include <thread>
#include <vector>

namespace {

struct Pool {
  static void* take(std::size_t bytes) { return quiesce::detail::frame_allocate(bytes); }
  static void give(void* block, std::size_t bytes) { quiesce::detail::frame_free(block, bytes); }
};
struct Heap {
  static void* take(std::size_t bytes) { return ::operator new(bytes); }
  static void give(void* block, std::size_t) { ::operator delete(block); }
};

template <class Memory>
void one(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    void* block = Memory::take(bytes);
    benchmark::DoNotOptimize(block);
    Memory::give(block, bytes);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(one<Pool>)->Arg(88)->Arg(600);
BENCHMARK(one<Heap>)->Arg(88)->Arg(600);

template <class Memory>
void burst(benchmark::State& state) {
  constexpr std::size_t bytes = 136;
  std::vector<void*> blocks(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    for (void*& block : blocks) block = Memory::take(bytes);
    for (void* block : blocks) Memory::give(block, bytes);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(burst<Pool>)->Arg(1'000)->Arg(100'000);
BENCHMARK(burst<Heap>)->Arg(1'000)->Arg(100'000);

/// The blocks of one thread are freed by another, which is as a task's frame that was stolen.
template <class Memory>
void freed_elsewhere(benchmark::State& state) {
  constexpr std::size_t bytes = 136, count = 10'000;
  std::vector<void*> blocks(count);
  for (auto _ : state) {
    for (void*& block : blocks) block = Memory::take(bytes);
    std::thread([&] {
      for (void* block : blocks) Memory::give(block, bytes);
    }).join();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}
BENCHMARK(freed_elsewhere<Pool>)->UseRealTime();
BENCHMARK(freed_elsewhere<Heap>)->UseRealTime();

}  // namespace
