#pragma once
// parallel::transform_reduce: one value out of many.
//
//   double sum = co_await q::parallel::transform_reduce(cx, samples, 0.0, std::plus<>(), [](double x) { return x * x; });
//
// The result is reduce(init, r), where r reduces the transformed elements by a tree that depends on their number and the grain alone: left
// to right within a part, then parts in halves. So `reduce` must be associative as far as it matters, need not be commutative, and
// a reduction that is only nearly associative – of floating-point numbers – gives the same bits in every run, on any number of workers.
// Without elements the result is `init`. Values are of the type of `init`, which must be movable.
// Both functions are called by several workers at a time, through one object each. One that throws panics its part (for_each.hpp).
// Cancel-safety: looks for a request before each part; nothing is left behind.
#include <concepts>
#include <cstddef>
#include <functional>
#include <utility>

#include "quiesce/detail/parallel/checks.hpp"

namespace quiesce::parallel {

namespace detail {

/// There is at least one element. No coroutine: there the loop's variables would lie in the frame.
template <class T, class Iterator, class Reduce, class Transform>
T reduce_in_order(Iterator first, std::size_t count, Reduce& reduce, Transform& transform) {
  const Iterator last = first + static_cast<std::iter_difference_t<Iterator>>(count);
  T sum = std::invoke(transform, *first);
  for (++first; first != last; ++first)
    sum = std::invoke(reduce, std::move(sum), std::invoke(transform, *first));
  return sum;
}

/// Likewise.
template <class T, class Iterator, class Reduce, class Transform>
Task<T> reduce_part(Cx cx, Iterator first, std::size_t count, Reduce& reduce, Transform& transform,
                    std::size_t grain) {
  if (count <= grain) {
    co_await cx.checkpoint();
    co_return reduce_in_order<T>(first, count, reduce, transform);
  }
  const std::size_t half = count / 2, rest = count - half;
  const Iterator middle = first + static_cast<std::iter_difference_t<Iterator>>(half);
  auto [right, left] = co_await fork_join(
      cx, fork(reduce_part<T, Iterator, Reduce, Transform>, middle, rest, reduce, transform, grain),
      call(reduce_part<T, Iterator, Reduce, Transform>, first, half, reduce, transform, grain));
  co_return std::invoke(reduce, std::move(left), std::move(right));
}

template <class T, class Iterator, class Reduce, class Transform>
Task<T> reduce_all(Cx cx, Iterator first, std::size_t count, T init, Reduce reduce, Transform transform,
                   Grain grain) {
  if (count == 0) co_return init;
  T sum = co_await reduce_part<T, Iterator, Reduce, Transform>(cx, first, count, reduce, transform,
                                                               grain.of(count));
  co_return std::invoke(reduce, std::move(init), std::move(sum));
}

}  // namespace detail

template <std::random_access_iterator Iterator, class T, class Reduce, class Transform>
Task<T> transform_reduce(Cx cx, Iterator first, Iterator last, T init, Reduce&& reduce, Transform&& transform,
                         Grain grain = {}) {
  QUIESCE_DETAIL_PARALLEL_FUNCTION(Reduce);
  QUIESCE_DETAIL_PARALLEL_FUNCTION(Transform);
  return detail::reduce_all<T, Iterator, std::decay_t<Reduce>, std::decay_t<Transform>>(
      cx, first, static_cast<std::size_t>(last - first), std::move(init), std::forward<Reduce>(reduce),
      std::forward<Transform>(transform), grain);
}

template <class Range, class T, class Reduce, class Transform>
requires(!std::random_access_iterator<std::remove_cvref_t<Range>>) Task<T> transform_reduce(
    Cx cx, Range&& range, T init, Reduce&& reduce, Transform&& transform, Grain grain = {}) {
  QUIESCE_DETAIL_PARALLEL_RANGE(Range);
  QUIESCE_DETAIL_PARALLEL_FUNCTION(Reduce);
  QUIESCE_DETAIL_PARALLEL_FUNCTION(Transform);
  return detail::reduce_all<T, std::ranges::iterator_t<Range>, std::decay_t<Reduce>, std::decay_t<Transform>>(
      cx, std::ranges::begin(range), static_cast<std::size_t>(std::ranges::size(range)), std::move(init),
      std::forward<Reduce>(reduce), std::forward<Transform>(transform), grain);
}

}  // namespace quiesce::parallel
