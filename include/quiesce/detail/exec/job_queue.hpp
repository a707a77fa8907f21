#pragma once
// The blocking pool's FIFO: any job in it can be taken out again in constant time, although a job has one link
// word only.
//
// One thread at a time. push may fail for want of memory.
//
// How it works:
//  1. The queue is a row of slots with stable addresses, each with a pointer to a job or nullptr where a job
//     was withdrawn.
//  2. While a job is queued, its `queue_next` holds the address of its slot; else it is nullptr. Nobody but the
//     queue reads it.
//  3. Empty slots at the front are dropped at once. When those further back outnumber the jobs (and a few), all
//     jobs move up to close the gaps; that pays one step for each withdrawal since the last time.
#include <cstddef>
#include <deque>
#include <new>

#include "quiesce/detail/kernel/blocking_job.hpp"

namespace quiesce::detail {

class JobQueue {
 public:
  /// False when there was no memory: the job is not queued.
  [[nodiscard]] bool push(BlockingJob* job) noexcept {
    try {
      slots_.push_back(job);
    } catch (const std::bad_alloc&) { return false; }
    note_slot(slots_.back());
    ++size_;
    return true;
  }

  /// The oldest job, or nullptr.
  [[nodiscard]] BlockingJob* pop() noexcept {
    if (size_ == 0) return nullptr;
    BlockingJob* job = slots_.front();
    take(slots_.front());
    drop_empty_front();
    return job;
  }

  /// True: it was queued, and is not any more.
  [[nodiscard]] bool remove(BlockingJob* job) noexcept {
    if (job->queue_next == nullptr) return false;
    take(*reinterpret_cast<BlockingJob**>(job->queue_next));
    drop_empty_front();
    if (slots_.size() > 2 * size_ + gaps_allowed) close_gaps();
    return true;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Slots in use, with and without a job: after a remove at most 2 * size() + gaps_allowed.
  [[nodiscard]] std::size_t slots() const noexcept { return slots_.size(); }
  static constexpr std::size_t gaps_allowed = 64;

 private:
  static void note_slot(BlockingJob*& slot) noexcept {
    slot->queue_next = reinterpret_cast<BlockingJob*>(&slot);
  }

  void take(BlockingJob*& slot) noexcept {
    slot->queue_next = nullptr;
    slot = nullptr;
    --size_;
  }

  void drop_empty_front() noexcept {
    while (!slots_.empty() && slots_.front() == nullptr) slots_.pop_front();
  }

  void close_gaps() noexcept {
    std::size_t used = 0;
    for (BlockingJob*& slot : slots_) {
      if (slot == nullptr) continue;
      BlockingJob*& free_slot = slots_[used++];
      free_slot = slot;
      note_slot(free_slot);
    }
    while (slots_.size() > used) slots_.pop_back();
  }

  std::deque<BlockingJob*> slots_;  // its elements stay where they are when others come and go at the ends
  std::size_t size_ = 0;
};

static_assert(alignof(BlockingJob) <= alignof(BlockingJob*), "a job's link can hold the address of a slot");

}  // namespace quiesce::detail
