#pragma once
// What a Pool<T> is without its T: places, as permits of a semaphore, and a list of idle things, under a lock.
//
//  1. A place stands for a thing that is lent or being made; idle things have none. A thing is made only by who has a place and has found
//     nothing idle. So lent, idle and being made are never more than there are places: at the moment when one finds nothing
//     idle they are exactly the places that are taken, and from then on a loan, a return and a drop make no more.
//  2. A thing that is given back is put among the idle ones before its place is free: who gets the place finds it.
//  3. Things are destroyed, and checked and made, outside of the lock: it guards pointers only.
#include <atomic>
#include <cstdint>
#include <optional>
#include <source_location>

#include "quiesce/detail/sync/primitive.hpp"
#include "quiesce/sync/semaphore.hpp"
#include "quiesce/time.hpp"

namespace quiesce {

class PoolOptions {
 public:
  PoolOptions() = default;
  explicit PoolOptions(std::uint32_t most) noexcept : max_size(most) {}
  /// Kept when given back; the others are dropped. Default: all.
  PoolOptions with_max_idle(std::uint32_t most) const noexcept {
    PoolOptions changed(*this);
    changed.max_idle = most;
    return changed;
  }
  /// Idle for longer: dropped. Default: never.
  PoolOptions with_max_idle_age(Duration most) const noexcept {
    PoolOptions changed(*this);
    changed.max_idle_age = most;
    return changed;
  }

  std::uint32_t max_size = 16;
  std::uint32_t max_idle = ~std::uint32_t{0};
  std::optional<Duration> max_idle_age;
};

/// A look at it; the next moment it may be otherwise.
struct PoolStatistics {
  std::uint32_t lent = 0;  // and being checked or made
  std::uint32_t idle = 0;
  std::uint32_t max_size = 0;
  std::uint32_t waiters = 0;
  std::uint64_t waited = 0;   // acquisitions that had to sleep
  std::uint64_t made = 0;     // these three since it was made
  std::uint64_t dropped = 0;  // of those: aged, unhealthy, discarded, too many
  std::uint64_t reused = 0;   // loans of one that was idle, or tried to be
  bool is_closed = false;
};

namespace detail {

struct PooledNode {
  PooledNode* older = nullptr;
  PooledNode* newer = nullptr;
  Time since;  // idle, or lent
};

class PoolCore;

/// Waits for a place.
class PlaceOperation : public AcquireOperation {
 public:
  using AcquireOperation::AcquireOperation;
  static constexpr const char* what = "a place of a pool";
};

class PoolCore {
 public:
  PoolCore(PoolOptions options, Name name) noexcept
      : options_(options), places_(options.max_size, name), primitive_("pool", name) {}

  /// Of none for a pool of none: it is refused.
  PlaceOperation place(std::source_location where) noexcept {
    return PlaceOperation(places_, options_.max_size == 0 ? 0 : 1, where);
  }
  /// Why there was no place, in terms of the pool.
  Error refusal(Error error) const;
  /// The one given back last; nullptr: none.
  PooledNode* take_idle(Time now) noexcept;
  /// Those that have been idle for too long, linked by `older`.
  PooledNode* take_aged(Time now) noexcept;
  /// False: it is not kept.
  bool put_idle(PooledNode& thing) noexcept;
  /// All that are idle, linked by `older`.
  PooledNode* close() noexcept;
  PoolStatistics statistics() const noexcept;

  void note_made() noexcept { made_.fetch_add(1, std::memory_order_relaxed); }
  void note_dropped() noexcept { dropped_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void unlink(PooledNode& thing) noexcept;

  const PoolOptions options_;
  Semaphore places_;
  std::atomic<std::uint64_t> made_{0}, dropped_{0};  // counts only
  Primitive primitive_;
  // Under the lock.
  PooledNode* newest_ = nullptr;
  PooledNode* oldest_ = nullptr;
  std::uint32_t idle_ = 0;
  std::uint64_t reused_ = 0;
  bool closed_ = false;
};

template <class T>
struct PooledThing : PooledNode {
  T value;
  PooledThing(PoolCore& core, Time now, T&& made) : value(std::move(made)), core_(&core) {
    since = now;
    core.note_made();
  }
  ~PooledThing() { core_->note_dropped(); }

 private:
  PoolCore* core_;
};

}  // namespace detail
}  // namespace quiesce
