#pragma once
// Where threads leave free blocks for other threads, in batches.
//
// Protocol: a batch is a list of blocks (`next`) that one thread has made up and nobody else knows; it goes on a stack of batches
// (`next_batch`, in its first block) under a spin lock, and comes off whole. All but the two link words is the taker's from then on.
// Orders: the lock's.
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
  }
  /// nullptr: there is none.
  [[nodiscard]] Block* take() noexcept {
    std::scoped_lock hold(lock_);
    Block* batch = batches_;
    if (batch != nullptr) batches_ = batch->next_batch;
    return batch;
  }
  /// All batches, linked.
  [[nodiscard]] Block* take_all() noexcept {
    std::scoped_lock hold(lock_);
    return std::exchange(batches_, nullptr);
  }

 private:
  SpinLock<Platform> lock_;
  Block* batches_ = nullptr;
};

}  // namespace quiesce::detail
