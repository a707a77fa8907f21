#pragma once
// One thread's place to sleep. `unpark` by anyone ends the current or the next `park`; several unparks before a
// park count as one.
//
// Protocol:
//  1. The word is Empty, Notified or Parked. Only the owner parks.
//  2. park: Notified becomes Empty and it returns at once; else Empty becomes Parked and it sleeps while that
//     lasts. When it leaves, it exchanges the word for Empty and learns whether a notification was in it.
//  3. unpark exchanges the word for Notified, and wakes the owner if it was Parked.
//
// Orders: unpark's exchange is release, and pairs with the acquire exchange by which park leaves, so the owner
// sees what was done before the unpark. Of several unparks in a row all are seen: each is a read-modify-write
// of the word.
#include <cstdint>
#include <optional>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce::detail {

template <class Platform = RealPlatform>
class Parker {
 public:
  Parker() noexcept = default;
  Parker(const Parker&) = delete;
  Parker& operator=(const Parker&) = delete;

  /// Owner. Sleeps until unparked (true) or until the deadline, absolute steady-clock nanoseconds (false).
  bool park(std::optional<std::int64_t> deadline_ns = std::nullopt) noexcept {
    std::uint32_t seen = empty;
    if (word_.compare_exchange_strong(seen, parked, std::memory_order_relaxed)) {
      while (word_.load(std::memory_order_relaxed) == parked && Platform::wait(word_, parked, deadline_ns))
        continue;
    }
    return word_.exchange(empty, std::memory_order_acquire) == notified;
  }

  /// Any thread. True when the owner was asleep or about to be.
  bool unpark() noexcept {
    if (word_.exchange(notified, std::memory_order_release) != parked) return false;
    Platform::wake_one(word_);
    return true;
  }

 private:
  static constexpr std::uint32_t empty = 0, notified = 1, parked = 2;
  typename Platform::template atomic<std::uint32_t> word_{empty};
};

}  // namespace quiesce::detail
