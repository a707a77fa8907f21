#pragma once
// A place for one item: its owner fills and empties it; now and then a thief does.
//
// Protocol:
//  1. The item is under a lock that costs the owner no locked instruction (owned_lock.hpp), and a thief microseconds: thieves come only
//     when the owner stays in one step for long.
//  2. A look (`peek`) may be out of date; who acts on it takes.
#include <atomic>
#include <mutex>
#include <utility>

#include "quiesce/detail/kernel/owned_lock.hpp"

namespace quiesce::detail {

template <class T, class Platform = RealPlatform>
class LifoSlot {
 public:
  /// Owner. What was in the slot, if nobody has taken it, or nullptr.
  [[nodiscard]] T* put(T* item) noexcept {
    if (!lock_.enter_as_owner()) [[unlikely]]
      return exchange(item);
    T* const old = replace(item);
    lock_.leave_as_owner();
    return old;
  }
  /// Owner.
  [[nodiscard]] T* take() noexcept { return put(nullptr); }
  /// Any thread.
  [[nodiscard]] T* steal() noexcept {
    const std::scoped_lock hold(lock_);
    return replace(nullptr);
  }
  /// Any thread; only to be compared.
  [[nodiscard]] const T* peek() const noexcept { return slot_.load(std::memory_order_relaxed); }

 private:
  [[gnu::noinline]] T* exchange(T* item) noexcept {
    const typename OwnedLock<Platform>::Hold hold(lock_, true);
    return replace(item);
  }
  T* replace(T* item) noexcept {
    T* old = slot_.load(std::memory_order_relaxed);
    slot_.store(item, std::memory_order_relaxed);
    return old;
  }

  typename Platform::template atomic<T*> slot_{nullptr};
  OwnedLock<Platform> lock_;
};

}  // namespace quiesce::detail
