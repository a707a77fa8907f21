#pragma once
// What keeps a task's record from being freed: one reference for its life, one for whoever looks at it beyond its end.
//
// Protocol:
//  1. A life begins with one reference, given by the only one who has the record then.
//  2. Whoever has a reference, or knows that another stays meanwhile, adds one. Who knows neither *tries*: 0 means that the record is
//     being freed.
//  3. Whoever drops the last one frees the record. If one sees that it has the last, and knows that nobody can try, it need not
//     subtract: nobody is left who could change the count. If somebody can try, it must: or that one adds a reference to a record that
//     is being freed.
//
// Orders: adding is relaxed, for it makes nothing visible. Dropping is acq_rel: each releases what its holder did with the record, and
// the last acquires all of that, by the chain of read-modify-writes; the look of 3 acquires for the same reason. Trying is relaxed, too:
// what it goes by, it was told under a lock.
#include <atomic>
#include <cstdint>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce::detail {

template <class Platform = RealPlatform>
class References {
 public:
  void begin() noexcept { count_.store(1, std::memory_order_relaxed); }
  void add() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] bool try_add() noexcept {
    std::uint8_t seen = count_.load(std::memory_order_relaxed);
    do {
      if (seen == 0) return false;
    } while (
        !count_.compare_exchange_weak(seen, static_cast<std::uint8_t>(seen + 1), std::memory_order_relaxed));
    return true;
  }
  /// For one that has a reference: whether it is the last.
  [[nodiscard]] bool is_last() const noexcept { return count_.load(std::memory_order_acquire) == 1; }
  /// True: it was the last.
  [[nodiscard]] bool drop() noexcept { return count_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

 private:
  typename Platform::template atomic<std::uint8_t> count_{0};
};

}  // namespace quiesce::detail
