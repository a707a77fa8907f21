#pragma once
// parallel::for_each: a function for every element, on all workers.
//
//   co_await q::parallel::for_each(cx, pixels, [](Pixel& p) { p = blur(p); });
//   co_await q::parallel::for_each(cx, first, last, work, q::parallel::Grain(64));
//
// The function is called once for each element, in order within a part, by several workers at a time and through one object: it must
// stand that. The range must have random access and outlive the await; its elements may be borrowed, nothing of the algorithm
// outlives the await.
// A function that throws panics its part: the algorithm ends Panicked when the parts that have begun have ended; each of them ends its
// part, the others do not begin.
// Cancel-safety: looks for a request before each part. Cancelled, it has called the function for all elements of some parts, and for
// none of the others.
// Cost: a branch of a fork_join for each part (fork_join.hpp).
#include <concepts>
#include <cstddef>
#include <functional>
#include <utility>

#include "quiesce/detail/parallel/checks.hpp"

namespace quiesce::parallel {

namespace detail {

/// No coroutine: there the loop's variables would lie in the frame.
template <class Iterator, class F>
void call_for_each(Iterator first, std::size_t count, F& function) {
  const Iterator last = first + static_cast<std::iter_difference_t<Iterator>>(count);
  for (; first != last; ++first) std::invoke(function, *first);
}

template <class Iterator, class F>
Task<> for_each_part(Cx cx, Iterator first, std::size_t count, F& function, std::size_t grain) {
  if (count <= grain) {
    co_await cx.checkpoint();
    call_for_each(first, count, function);
    co_return;
  }
  const std::size_t half = count / 2, rest = count - half;
  const Iterator middle = first + static_cast<std::iter_difference_t<Iterator>>(half);
  co_await fork_join(cx, fork(for_each_part<Iterator, F>, middle, rest, function, grain),
                     call(for_each_part<Iterator, F>, first, half, function, grain));
}

template <class Iterator, class F>
Task<> for_each_all(Cx cx, Iterator first, std::size_t count, F function, Grain grain) {
  co_await for_each_part<Iterator, F>(cx, first, count, function, grain.of(count));
}

}  // namespace detail

template <std::random_access_iterator Iterator, class F>
Task<> for_each(Cx cx, Iterator first, Iterator last, F&& function, Grain grain = {}) {
  QUIESCE_DETAIL_PARALLEL_FUNCTION(F);
  return detail::for_each_all<Iterator, std::decay_t<F>>(cx, first, static_cast<std::size_t>(last - first),
                                                         std::forward<F>(function), grain);
}

template <class Range, class F>
requires(!std::random_access_iterator<std::remove_cvref_t<Range>>) Task<> for_each(Cx cx, Range&& range,
                                                                                   F&& function,
                                                                                   Grain grain = {}) {
  QUIESCE_DETAIL_PARALLEL_RANGE(Range);
  QUIESCE_DETAIL_PARALLEL_FUNCTION(F);
  return detail::for_each_all<std::ranges::iterator_t<Range>, std::decay_t<F>>(
      cx, std::ranges::begin(range), static_cast<std::size_t>(std::ranges::size(range)),
      std::forward<F>(function), grain);
}

}  // namespace quiesce::parallel
