#pragma once
// A place for one item: its owner fills it, its owner or a thief empties it.
//
// Protocol:
//  1. Only the owner puts items in. So an empty slot stays empty until it does, and is filled by a mere store; a full one may be
//     emptied meanwhile, and is filled by an exchange, which gives the item that was there to the owner.
//  2. Whoever takes exchanges the slot for empty: of several, one gets the item.
//  3. A look (`peek`) may be out of date; who acts on it takes.
//
// Orders: filling releases, taking acquires: the taker sees what the owner did before it put the item in. A put that displaces an item
// only gives back what its owner has put in itself.
#include <atomic>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce::detail {

template <class T, class Platform = RealPlatform>
class LifoSlot {
 public:
  /// Owner. What was in the slot, if nobody has taken it, or nullptr.
  [[nodiscard]] T* put(T* item) noexcept {
    if (slot_.load(std::memory_order_relaxed) == nullptr) {
      slot_.store(item, std::memory_order_release);
      return nullptr;
    }
    return slot_.exchange(item, std::memory_order_acq_rel);
  }
  /// Any thread.
  [[nodiscard]] T* take() noexcept { return slot_.exchange(nullptr, std::memory_order_acq_rel); }
  /// Any thread; only to be compared.
  [[nodiscard]] const T* peek() const noexcept { return slot_.load(std::memory_order_relaxed); }

 private:
  typename Platform::template atomic<T*> slot_{nullptr};
};

}  // namespace quiesce::detail
