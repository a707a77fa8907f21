#pragma once
// Where threads leave free blocks for other threads, in batches.
//
// Protocol: a batch is a list of blocks (`next`) that one thread has made up and nobody else knows; it goes on a stack of batches
// (`next_batch`, in its first block) under a spin lock, and comes off whole. All but the two link words is the taker's from then on.
// Orders: the lock's.
// Age: the depot keeps in mind the least number of batches that it held in a period. Nobody needed those, so they may go when
// the period is over (the working set of Bonwick and Adams, "Magazines and Vmem", USENIX 2001).
#include <algorithm>
#include <cstdint>
#include <mutex>
#include <utility>

#include "quiesce/detail/kernel/platform.hpp"
#include "quiesce/detail/kernel/spin_lock.hpp"

namespace quiesce::detail {

template <class Block, class Platform = RealPlatform>
class alignas(64) BatchDepot {
 public:
  void put(Block* batch) noexcept {
    std::scoped_lock hold(lock_);
    batch->next_batch = batches_;
    batches_ = batch;
    ++count_;
  }
  /// nullptr: there is none.
  [[nodiscard]] Block* take() noexcept {
    std::scoped_lock hold(lock_);
    Block* batch = batches_;
    if (batch == nullptr) return nullptr;
    batches_ = batch->next_batch;
    least_ = std::min(least_, --count_);
    return batch;
  }
  /// All batches, linked.
  [[nodiscard]] Block* take_all() noexcept {
    std::scoped_lock hold(lock_);
    least_ = count_ = 0;
    return std::exchange(batches_, nullptr);
  }

  struct Unused {
    Block* batches;  // linked; nullptr: none
    std::uint32_t left;
  };
  /// So many batches as nobody needed since the last call: the least that were here at a time. At most `max` of them.
  [[nodiscard]] Unused take_unused(std::uint32_t max) noexcept {
    std::scoped_lock hold(lock_);
    Block* first = nullptr;
    for (std::uint32_t unused = std::min(least_, max); unused > 0; --unused) {
      Block* batch = batches_;
      batches_ = batch->next_batch;
      batch->next_batch = first;
      first = batch;
      --count_;
      --least_;
    }
    return {first, count_};
  }
  /// What is here now counts as unused until it is taken.
  void begin_period() noexcept {
    std::scoped_lock hold(lock_);
    least_ = count_;
  }
  [[nodiscard]] std::uint32_t size() const noexcept {
    std::scoped_lock hold(lock_);
    return count_;
  }

 private:
  mutable SpinLock<Platform> lock_;
  Block* batches_ = nullptr;
  std::uint32_t count_ = 0, least_ = 0;
};

}  // namespace quiesce::detail
