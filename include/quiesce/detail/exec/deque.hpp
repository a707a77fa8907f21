#pragma once
// A worker's ready queue: its owner pushes and pops at one end, thieves take from the other.
//
// The algorithm is Chase and Lev's deque (SPAA 2005) with the orders of Lê, Pop, Cohen and Zappa Nardelli
// (PPoPP 2013), on a ring of fixed size; where they use fences, the orders sit on the accesses here.
//
// Protocol:
//  1. The items are those with index in [top, bottom). Indices only name ring slots modulo Capacity, have 64
//     bits and do not wrap. `bottom` is written by the owner alone. `top` only grows; growing it by a
//     compare-exchange takes the items passed.
//  2. push (owner): the item goes to slot `bottom`, then bottom + 1 is stored. There must be room: bottom - top
//     < Capacity. An older value of top is a safe bound, since top only grows, so the owner keeps one and reads
//     top only when that looks full.
//  3. pop (owner): it first stores bottom - 1, which announces that it wants the newest item, then reads top.
//     If more items remain, that one is its own without further ado; for the very last it competes with the
//     thieves on top.
//  4. steal (anyone): reads top, then bottom, then the slot, and takes the item if top has not moved since.
//     What it read from the slot counts only if so.
//  5. A full deque: the owner takes the older half in one compare-exchange (take_half) and gives it to the
//     injector. Only the owner may take several at once: a thief's group could hold an item that the owner pops
//     at the same time by 3.
//
// Why 3 and 4 never yield the same item twice. Say the owner pops index b without competing, having read top <
// b, and a thief takes b. The thief read top == b, then bottom > b, a value from before the owner's store of b.
// All four accesses are seq_cst, so in their total order: thief's top < thief's bottom < owner's store <
// owner's top. The owner would then have read at least b.
//
// Orders:
//  - bottom stores are release at least (also the one that gives back in pop): they pair with a thief's load of
//    bottom and so publish the slots and what the items point to. push uses seq_cst, because it is also a
//    publication for IdleSet; a thief's load of bottom is its re-check.
//  - the compare-exchanges of top are seq_cst. The owner's acquire load of top in push pairs with them: a slot
//    is written again only after the thief that emptied it has read it.
//  - slots are relaxed: bottom publishes them, and a value read too early is thrown away by 4.
#include <array>
#include <cstddef>
#include <cstdint>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce::detail {

template <class T, class Platform = RealPlatform, std::uint32_t Capacity = 256>
class WorkDeque {
  static_assert(Capacity >= 2 && (Capacity & (Capacity - 1)) == 0, "Capacity is a power of two, at least 2");

 public:
  static constexpr std::uint32_t capacity = Capacity;
  static constexpr std::uint32_t half = Capacity / 2;

  WorkDeque() noexcept = default;
  WorkDeque(const WorkDeque&) = delete;
  WorkDeque& operator=(const WorkDeque&) = delete;

  /// Owner. False when full: take_half, then push again.
  [[nodiscard]] bool push(T* item) noexcept {
    const std::int64_t bottom = bottom_.load(std::memory_order_relaxed);
    if (bottom - top_seen_ >= Capacity) {
      top_seen_ = top_.load(std::memory_order_acquire);
      if (bottom - top_seen_ >= Capacity) return false;
    }
    slot(bottom).store(item, std::memory_order_relaxed);
    bottom_.store(bottom + 1, std::memory_order_seq_cst);
    return true;
  }

  /// Owner. The newest item, or nullptr.
  [[nodiscard]] T* pop() noexcept {
    const std::int64_t bottom = bottom_.load(std::memory_order_relaxed);
    // Top only grows, so an old value that says empty is right, and costs no store.
    if (top_.load(std::memory_order_relaxed) >= bottom) return nullptr;
    const std::int64_t last = bottom - 1;
    bottom_.store(last, std::memory_order_seq_cst);
    std::int64_t top = top_.load(std::memory_order_seq_cst);
    if (top < last) return slot(last).load(std::memory_order_relaxed);
    T* item = nullptr;
    if (top == last &&
        top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst, std::memory_order_relaxed)) {
      item = slot(last).load(std::memory_order_relaxed);
    }
    bottom_.store(bottom, std::memory_order_release);
    return item;
  }

  /// Owner. The oldest item, or nullptr.
  [[nodiscard]] T* pop_fifo() noexcept { return steal(); }

  /// Any thread. The oldest item; nullptr when there is none, or when Capacity others in a row were faster.
  [[nodiscard]] T* steal() noexcept {
    for (std::uint32_t attempt = 0; attempt < Capacity; ++attempt) {
      std::int64_t top = top_.load(std::memory_order_seq_cst);
      if (top >= bottom_.load(std::memory_order_seq_cst)) return nullptr;
      T* item = slot(top).load(std::memory_order_relaxed);
      if (top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst, std::memory_order_relaxed)) {
        if constexpr (requires { Platform::prefetch(item); })
          Platform::prefetch(slot(top + 1).load(std::memory_order_relaxed));  // likely what comes next
        return item;
      }
      Platform::pause();
    }
    return nullptr;
  }

  /// Owner. Moves the older half (rounded down) to `out`, oldest first; `out` has room for `half`. 0: there
  /// were fewer than two, or thieves took some at the same time, and then there is room again.
  [[nodiscard]] std::uint32_t take_half(T** out) noexcept {
    std::int64_t top = top_.load(std::memory_order_acquire);
    const std::int64_t bottom = bottom_.load(std::memory_order_relaxed);
    if (bottom - top < 2) return 0;
    const std::int64_t count = (bottom - top) / 2;
    if (!top_.compare_exchange_strong(top, top + count, std::memory_order_seq_cst, std::memory_order_relaxed))
      return 0;
    for (std::int64_t step = 0; step < count; ++step)
      out[step] = slot(top + step).load(std::memory_order_relaxed);
    return static_cast<std::uint32_t>(count);
  }

  /// Any thread. A moment's view; exact for the owner while no thief is about.
  [[nodiscard]] std::uint32_t size_approx() const noexcept {
    const std::int64_t bottom = bottom_.load(std::memory_order_relaxed);
    const std::int64_t top = top_.load(std::memory_order_relaxed);
    return bottom > top ? static_cast<std::uint32_t>(bottom - top) : 0;
  }

  /// Any thread. The look of a worker that is about to park (see Orders).
  [[nodiscard]] bool empty() const noexcept {
    const std::int64_t top = top_.load(std::memory_order_seq_cst);
    return top >= bottom_.load(std::memory_order_seq_cst);
  }

 private:
  template <class U>
  using atomic = typename Platform::template atomic<U>;

  atomic<T*>& slot(std::int64_t index) noexcept {
    return slots_[static_cast<std::size_t>(index) & (Capacity - 1)];
  }

  alignas(64) atomic<std::int64_t> top_{0};     // written by thieves
  alignas(64) atomic<std::int64_t> bottom_{0};  // written by the owner
  std::int64_t top_seen_ = 0;                   // the owner's: a value that top has had
  alignas(64) std::array<atomic<T*>, Capacity> slots_{};
};

}  // namespace quiesce::detail
