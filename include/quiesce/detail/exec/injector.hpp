#pragma once
// The global queue of a runtime: work that has no worker yet, or that a full worker gave away. FIFO, any thread
// may push and pop.
//
// Protocol:
//  1. The items are an intrusive FIFO under a spin lock: what comes here comes in batches or rarely, so the
//     lock is short and seldom wanted, and a batch costs one lock.
//  2. `size_` repeats the length outside the lock, so that looking into an empty injector costs one load and no
//     shared write. It is written only by whoever holds the lock.
//  3. A push makes itself visible by the seq_cst store of `size_`; the look of a worker that is about to park
//     is the seq_cst load in `empty()`. These are the publication and the re-check of IdleSet.
//
// Orders: the items are published by the lock. The load in 2 is seq_cst because of 3 (the same instruction as a
// relaxed one on x86). The store after a pop is relaxed: a parking worker that still reads the longer length
// looks in vain, and one that reads a shorter length than a later push has stored would come before that push
// in the total order, where rule 3 covers it.
#include <cstddef>
#include <mutex>
#include <utility>

#include "quiesce/detail/exec/intrusive_queue.hpp"
#include "quiesce/detail/kernel/platform.hpp"
#include "quiesce/detail/kernel/spin_lock.hpp"

namespace quiesce::detail {

template <class T, class Platform = RealPlatform, auto Next = &T::queue_next>
class Injector {
 public:
  using Batch = IntrusiveQueue<T, Next>;

  Injector() noexcept = default;
  Injector(const Injector&) = delete;
  Injector& operator=(const Injector&) = delete;

  /// One load; exact only while nobody else pushes or pops.
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_seq_cst); }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  void push(T* item) noexcept {
    std::scoped_lock guard(lock_);
    items_.push_back(item);
    size_.store(items_.size(), std::memory_order_seq_cst);
  }

  /// Appends all of the batch in its order, as one step.
  void push_batch(Batch&& batch) noexcept {
    if (batch.empty()) return;
    std::scoped_lock guard(lock_);
    items_.splice_back(std::move(batch));
    size_.store(items_.size(), std::memory_order_seq_cst);
  }

  /// The oldest item, or nullptr.
  [[nodiscard]] T* pop() noexcept {
    if (empty()) return nullptr;
    std::scoped_lock guard(lock_);
    T* item = items_.pop_front();
    size_.store(items_.size(), std::memory_order_relaxed);
    return item;
  }

  /// The oldest items, at most `max`, as one step. O(max) under the lock: keep it at a few dozen.
  [[nodiscard]] Batch pop_batch(std::size_t max) noexcept {
    if (empty()) return {};
    std::scoped_lock guard(lock_);
    Batch batch = items_.split_front(max);
    size_.store(items_.size(), std::memory_order_relaxed);
    return batch;
  }

 private:
  alignas(64) typename Platform::template atomic<std::size_t> size_{0};
  alignas(64) SpinLock<Platform> lock_;  // apart from size_, which idle workers look at
  Batch items_;
};

}  // namespace quiesce::detail
