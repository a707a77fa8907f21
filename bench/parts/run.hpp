#pragma once
// What the benchmarks of the parts share: a body of so many operations, run in a runtime of so many workers.
#include <benchmark/benchmark.h>
#include <quiesce/quiesce.hpp>

#include <cstdint>

namespace quiesce::bench {

/// Each iteration of the benchmark is `block_on(body)`; an item is one of the `operations` of a body.
template <class Body>
void run(benchmark::State& state, std::uint32_t workers, std::int64_t operations, const Body& body) {
  Runtime rt = Runtime::builder().workers(workers).build();
  for (auto _ : state) {
    const auto outcome = rt.block_on<CollectAll>(body);
    if (!outcome.is_ok() && !outcome.is_cancelled()) state.SkipWithError("the body has failed");
  }
  state.SetItemsProcessed(state.iterations() * operations);
}

/// What a body throws out at its end.
inline Task<> nothing(Cx) { co_return; }

}  // namespace quiesce::bench
