#pragma once
// A worker's lane of tasks without a bound: a deque of fixed size, and what did not fit.
//
// Protocol:
//  1. The owner pushes to the deque. When it is full the older half of it goes to the overflow, in one batch. The owner pops from the
//     deque; when that is empty it takes a batch back.
//  2. Thieves steal from the deque, one by one; when that is empty they take a batch from the overflow, whose lock is short.
//  3. The order is first in, first out, but what overflowed may wait until the deque is empty: `pop_overflow`, now and then, bounds
//     that where the deque never is.
//
// An overflow of the worker's own, and not the injector that all share: otherwise the workers with nothing to do take such tasks one
// after the other, whatever they cost, while their owner, whose cache has them, pays for the lock of both.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "quiesce/detail/exec/deque.hpp"
#include "quiesce/detail/exec/injector.hpp"

namespace quiesce::detail {

template <class T, class Platform = RealPlatform>
class LaneQueue {
 public:
  static constexpr std::size_t batch_max = 64;

  /// Owner.
  void push(T* item) noexcept {
    if (!deque_.push(item)) [[unlikely]]
      push_into_full(item);
  }
  /// Owner. The oldest of the deque, then of the overflow.
  [[nodiscard]] T* pop() noexcept {
    if (T* item = deque_.pop_fifo()) return item;
    return refill(*this, batch_max);
  }
  /// Owner. One that has overflowed.
  [[nodiscard]] T* pop_overflow() noexcept { return overflow_.pop(); }
  /// The owner of `into`, which is another lane. One item; perhaps more are in `into` then.
  [[nodiscard]] T* steal(LaneQueue& into) noexcept {
    if (T* item = deque_.steal()) return item;
    return refill(into, std::min(batch_max, overflow_.size() / 2 + 1));
  }

  /// Any thread. A moment's view.
  [[nodiscard]] bool seems_empty() const noexcept { return deque_.size_approx() == 0 && overflow_.empty(); }
  /// Any thread. The look of a worker that is about to park (exec/idle_set.hpp).
  [[nodiscard]] bool empty() const noexcept { return deque_.empty() && overflow_.empty(); }

 private:
  [[gnu::noinline]] void push_into_full(T* item) noexcept {
    do {
      T* half[WorkDeque<T, Platform>::half];
      typename Injector<T, Platform>::Batch batch;
      const std::uint32_t taken = deque_.take_half(half);
      for (std::uint32_t i = 0; i < taken; ++i) batch.push_back(half[i]);
      overflow_.push_batch(std::move(batch));
    } while (!deque_.push(item));
  }
  [[gnu::noinline]] T* refill(LaneQueue& into, std::size_t count) noexcept {
    auto batch = overflow_.pop_batch(count);
    T* first = batch.pop_front();
    while (T* more = batch.pop_front()) into.push(more);
    return first;
  }

  WorkDeque<T, Platform> deque_;
  Injector<T, Platform> overflow_;
};

}  // namespace quiesce::detail
