#pragma once
// What the parallel algorithms ask of their arguments, each with its sentence.
#include <iterator>
#include <ranges>

#include "quiesce/detail/core/soundness_closure.hpp"
#include "quiesce/fork_join.hpp"
#include "quiesce/parallel/grain.hpp"

namespace quiesce::parallel {

template <class R>
concept RandomAccessRange = std::ranges::random_access_range<R> && std::ranges::sized_range<R>;
/// Its iterators outlive the call: a named range, or a view.
template <class R>
concept NamedRange = std::ranges::borrowed_range<R>;

}  // namespace quiesce::parallel

#define QUIESCE_DETAIL_PARALLEL_RANGE(R)                                                                       \
  static_assert(quiesce::parallel::RandomAccessRange<R>,                                                       \
                "quiesce: a parallel algorithm needs a range with random access and a size; copy what a list " \
                "or a generator gives into a vector");                                                         \
  static_assert(quiesce::parallel::NamedRange<R>,                                                              \
                "quiesce: this range is a temporary, which would be gone before the algorithm ends: give it "  \
                "a name")
#define QUIESCE_DETAIL_PARALLEL_FUNCTION(F) \
  static_assert(quiesce::detail::SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE)
