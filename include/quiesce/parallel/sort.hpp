#pragma once
// parallel::sort: a range in order, on all workers.
//
//   co_await q::parallel::sort(cx, names);
//   co_await q::parallel::sort(cx, jobs.begin(), jobs.end(), [](const Job& a, const Job& b) { return a.due < b.due; });
//
// A quicksort in place: partitions are made one after the other on the way down, their parts are sorted by several workers, and a part of
// the grain's size, or one on which quicksort does badly, by std::sort. Not stable. Automatic grain: at least 1024 elements. No
// memory of its own but the branches'. O(n log n) comparisons.
// The comparison is a strict weak order, called by several workers at a time through one object. One that throws panics its part; as with
// std::sort elements may be moved-from then.
// Cancel-safety: looks for a request before each partition and each part. Cancelled, the range is a permutation of what it was: no element
// is lost.
#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <functional>
#include <utility>

#include "quiesce/detail/parallel/checks.hpp"

namespace quiesce::parallel {

namespace detail {

template <class Iterator, class Compare>
void median_to_first(Iterator first, std::size_t count, Compare& compare) {
  const auto at = [&](std::size_t i) { return first + static_cast<std::iter_difference_t<Iterator>>(i); };
  const Iterator a = at(1), b = at(count / 2), c = at(count - 1);
  Iterator median = a;
  if (compare(*a, *b)) {
    median = compare(*b, *c) ? b : compare(*a, *c) ? c : a;
  } else {
    median = compare(*a, *c) ? a : compare(*b, *c) ? c : b;
  }
  std::iter_swap(first, median);
}

/// Hoare's: how many come before the cut. Only swaps. Neither side is empty; equal elements are spread over both.
template <class Iterator, class Compare>
std::size_t partition(Iterator first, std::size_t count, Compare& compare) {
  median_to_first(first, count, compare);
  Iterator low = first + 1, high = first + static_cast<std::iter_difference_t<Iterator>>(count);
  for (;;) {  // the median of three stops both scans
    while (compare(*low, *first)) ++low;
    --high;
    while (compare(*first, *high)) --high;
    if (!(low < high)) return static_cast<std::size_t>(low - first);
    std::iter_swap(low, high);
    ++low;
  }
}

template <class Iterator, class Compare>
Task<> sort_part(Cx cx, Iterator first, std::size_t count, Compare& compare, std::size_t grain, int depth) {
  co_await cx.checkpoint();
  if (count <= grain || depth == 0) {
    std::sort(first, first + static_cast<std::iter_difference_t<Iterator>>(count), std::ref(compare));
    co_return;
  }
  const std::size_t left = partition(first, count, compare), right = count - left;
  const Iterator middle = first + static_cast<std::iter_difference_t<Iterator>>(left);
  const int below = depth - 1;
  co_await fork_join(cx, fork(sort_part<Iterator, Compare>, middle, right, compare, grain, below),
                     call(sort_part<Iterator, Compare>, first, left, compare, grain, below));
}

template <class Iterator, class Compare>
Task<> sort_all(Cx cx, Iterator first, std::size_t count, Compare compare, Grain grain) {
  constexpr std::size_t least = 1024, partition_least = 4;
  const std::size_t each = std::max(grain.of(count, least), partition_least);
  co_await sort_part<Iterator, Compare>(cx, first, count, compare, each,
                                        2 * static_cast<int>(std::bit_width(count)));
}

}  // namespace detail

template <std::random_access_iterator Iterator, class Compare = std::less<>>
Task<> sort(Cx cx, Iterator first, Iterator last, Compare&& compare = {}, Grain grain = {}) {
  QUIESCE_DETAIL_PARALLEL_FUNCTION(Compare);
  return detail::sort_all<Iterator, std::decay_t<Compare>>(cx, first, static_cast<std::size_t>(last - first),
                                                           std::forward<Compare>(compare), grain);
}

template <class Range, class Compare = std::less<>>
requires(!std::random_access_iterator<std::remove_cvref_t<Range>>) Task<> sort(Cx cx, Range&& range,
                                                                               Compare&& compare = {},
                                                                               Grain grain = {}) {
  QUIESCE_DETAIL_PARALLEL_RANGE(Range);
  QUIESCE_DETAIL_PARALLEL_FUNCTION(Compare);
  return detail::sort_all<std::ranges::iterator_t<Range>, std::decay_t<Compare>>(
      cx, std::ranges::begin(range), static_cast<std::size_t>(std::ranges::size(range)),
      std::forward<Compare>(compare), grain);
}

}  // namespace quiesce::parallel
