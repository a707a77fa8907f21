#pragma once
// parallel::inclusive_scan: every prefix of a range, reduced.
//
//   co_await q::parallel::inclusive_scan(cx, counts, offsets.begin(), std::plus<>());   // offsets[i] = counts[0] + … + counts[i]
//
// The range is cut into parts of the grain's size; automatic: some 256 parts of at most 256 KiB of values, so that a part stays in a
// core's cache. Workers take the parts in order. A part is scanned in one pass where all before it is known; else it is reduced, and
// scanned as soon as that is known, by whoever finds it out. No worker waits for another. One worker alone goes through memory once,
// and so do several, as long as none of them is held up. At most two calls of `op` for each element.
// `op` must be associative as far as it matters, need not be commutative. What the parts before a part reduce to is that of each, reduced
// from left to right, and they from left to right: so the results depend on the number of elements and the grain alone, and are the
// same bits in every run, on any number of workers.
// The output may be the input itself, and must not overlap it otherwise. Values are of the range's value type, which must be copyable;
// one of them is kept for each part, with a byte.
// `op` is called by several workers at a time, through one object. One that throws panics its part (for_each.hpp); that and the parts
// behind it may not be written then.
// Cancel-safety: looks for a request before each part that it takes, and before each of several that it can scan in a row. Cancelled, the
// output of some parts is written as it should be, the rest is not written.
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "quiesce/detail/parallel/scan_chain.hpp"
#include "quiesce/parallel/for_each.hpp"

namespace quiesce::parallel {

namespace detail {

/// Of a part. Automatic: half as many parts as elsewhere, for larger ones are faster, but no larger than stays in a core's cache beside
/// what is written. What was asked for `of` gives again, whatever it is told.
constexpr std::size_t scan_grain(Grain grain, std::size_t count, std::size_t value_bytes) {
  constexpr std::size_t part_bytes_max = std::size_t{256} << 10;
  return std::min(grain.of(2 * count), grain.of(0, part_bytes_max / value_bytes));
}

/// The parts of a scan; the slots of its chain. There is at least one element.
template <class Iterator, class Output, class Op>
class ScanParts {
 public:
  using Value = std::iter_value_t<Iterator>;
  using Slot = std::optional<Value>;

  ScanParts(Iterator first, std::size_t count, Output output, Op op, Grain grain)
      : first_(first),
        count_(count),
        output_(output),
        op_(std::move(op)),
        each_(scan_grain(grain, count, sizeof(Value))),
        slots_((count - 1) / each_ + 1),
        chain_(slots_.size()) {}

  std::size_t size() const { return slots_.size(); }
  /// One for each part, in order.
  Slot* slot(std::size_t part) { return slots_.data() + part; }

  struct Owned {
    std::size_t first, count;
  };
  /// Takes one part. Those that are to be written then.
  Owned take_one() {
    std::size_t part = chain_.take();
    if (chain_.is_ready(part)) {
      write_and_reduce(part);
      if (!chain_.make_ready(++part)) return {part, 0};
    } else {
      if (!is_last(part)) reduce(part);
      if (!chain_.did_reduce(part)) return {part, 0};
    }
    const std::size_t end = chain_.go_on(part, [this](std::size_t owned) {
      if (!is_last(owned)) fold(owned);
    });
    return {part, end - part};
  }
  /// The part of this slot, of which the caller is the owner: nobody needs the one before any more.
  void write(Slot& at_part) {
    const auto part = static_cast<std::size_t>(&at_part - slots_.data());
    const std::size_t size = size_of(part);
    Iterator at = first_ + begin_of(part);
    Output to = output_ + begin_of(part);
    Value sum = std::invoke(op_, std::move(*slots_[part - 1]), *at);
    *to = sum;
    for (std::size_t i = 1; i < size; ++i) {
      sum = std::invoke(op_, std::move(sum), *++at);
      *++to = sum;
    }
  }

 private:
  bool is_last(std::size_t part) const { return part + 1 == slots_.size(); }  // nobody needs its slot
  std::size_t size_of(std::size_t part) const { return std::min(each_, count_ - part * each_); }
  std::iter_difference_t<Iterator> begin_of(std::size_t part) const {
    return static_cast<std::iter_difference_t<Iterator>>(part * each_);
  }

  void reduce(std::size_t part) {
    const std::size_t size = size_of(part);
    Iterator at = first_ + begin_of(part);
    Value sum = *at;
    for (std::size_t i = 1; i < size; ++i) sum = std::invoke(op_, std::move(sum), *++at);
    slots_[part].emplace(std::move(sum));
  }
  void fold(std::size_t part) {
    Value prefix = std::invoke(op_, Value(*slots_[part - 1]), std::move(*slots_[part]));
    slots_[part].emplace(std::move(prefix));
  }
  /// In one pass. The sum that is written is no prefix for the next part: it is bracketed in another way than that of a part which is
  /// reduced first.
  void write_and_reduce(std::size_t part) {
    if (part == 0) return write_first();
    if (is_last(part)) return write(slots_[part]);
    const std::size_t size = size_of(part);
    Iterator at = first_ + begin_of(part);
    Output to = output_ + begin_of(part);
    Value own = *at;
    Value sum = std::invoke(op_, Value(*slots_[part - 1]), *at);
    *to = sum;
    for (std::size_t i = 1; i < size; ++i) {
      ++at;
      own = std::invoke(op_, std::move(own), *at);
      sum = std::invoke(op_, std::move(sum), *at);
      *++to = sum;
    }
    slots_[part].emplace(std::move(own));
    fold(part);
  }
  void write_first() {
    const std::size_t size = size_of(0);
    Iterator at = first_;
    Output to = output_;
    Value sum = *at;
    *to = sum;
    for (std::size_t i = 1; i < size; ++i) {
      sum = std::invoke(op_, std::move(sum), *++at);
      *++to = sum;
    }
    slots_[0].emplace(std::move(sum));
  }

  Iterator first_;
  std::size_t count_;
  Output output_;
  Op op_;
  std::size_t each_;
  std::vector<Slot> slots_;
  quiesce::detail::ScanChain<> chain_;
};

/// Takes so many parts, whichever they are.
template <class Parts>
Task<> scan_some(Cx cx, Parts& parts, std::size_t count) {
  if (count > 1) {
    const std::size_t half = count / 2, rest = count - half;
    co_await fork_join(cx, fork(scan_some<Parts>, parts, rest), call(scan_some<Parts>, parts, half));
    co_return;
  }
  co_await cx.checkpoint();
  const typename Parts::Owned owned = parts.take_one();
  if (owned.count == 0) co_return;
  auto write = [&parts](typename Parts::Slot& slot) { parts.write(slot); };
  // Where one worker was held up, it may be very many.
  co_await for_each_part(cx, parts.slot(owned.first), owned.count, write, 1);
}

template <class Iterator, class Output, class Op>
Task<> scan_all(Cx cx, Iterator first, std::size_t count, Output output, Op op, Grain grain) {
  if (count == 0) co_return;
  using Parts = ScanParts<Iterator, Output, Op>;
  Parts parts(first, count, output, std::move(op), grain);
  co_await scan_some<Parts>(cx, parts, parts.size());
}

}  // namespace detail

template <std::random_access_iterator Iterator, std::random_access_iterator Output, class Op = std::plus<>>
Task<> inclusive_scan(Cx cx, Iterator first, Iterator last, Output output, Op&& op = {}, Grain grain = {}) {
  QUIESCE_DETAIL_PARALLEL_FUNCTION(Op);
  return detail::scan_all<Iterator, Output, std::decay_t<Op>>(cx, first, static_cast<std::size_t>(last - first),
                                                              output, std::forward<Op>(op), grain);
}

template <class Range, std::random_access_iterator Output, class Op = std::plus<>>
requires(!std::random_access_iterator<std::remove_cvref_t<Range>>) Task<> inclusive_scan(Cx cx, Range&& range,
                                                                                         Output output,
                                                                                         Op&& op = {},
                                                                                         Grain grain = {}) {
  QUIESCE_DETAIL_PARALLEL_RANGE(Range);
  QUIESCE_DETAIL_PARALLEL_FUNCTION(Op);
  return detail::scan_all<std::ranges::iterator_t<Range>, Output, std::decay_t<Op>>(
      cx, std::ranges::begin(range), static_cast<std::size_t>(std::ranges::size(range)), output,
      std::forward<Op>(op), grain);
}

}  // namespace quiesce::parallel
