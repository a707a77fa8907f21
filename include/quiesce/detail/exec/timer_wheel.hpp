#pragma once
// Timers by the million: a hierarchical wheel (Varghese and Lauck, SOSP 1987, scheme 7).
//
//   wheel.arm(entry);                      // entry.deadline and entry.fire are set
//   wheel.disarm(entry);                   // false: it was not armed, or has been handed out
//   wheel.advance(now, [](TimerEntry& entry) noexcept { entry.fire(entry); });
//   sleep until wheel.next_deadline();
//
// Promises: no entry is handed out before its deadline; one is handed out by the first advance to a time at
// least one tick after its deadline, if not before. Each entry is handed out at most once, and is not linked
// any more when it is, so whoever gets it may arm or free it. Cost: arm and disarm O(1) without allocation; an
// entry moves at most `levels` times before it is handed out; advance skips empty stretches of time in
// O(levels), however long they are.
//
// Not thread-safe: the owner has a lock. Entries come out one by one, and the wheel is consistent between them,
// so the owner may use it (also arm and disarm entries of the same batch) between two. An entry that is armed
// meanwhile with a deadline that lies before the last entry handed out comes with the next advance, so one that
// arms itself again cannot hold an advance up for ever.
//
// Time::max() is a deadline that never comes: advance need not reach it, and next_deadline() may answer it.
//
// Order: by ticks, except that entries which were armed too late come first. With `exact`, those that expire in
// one advance come by (deadline, order of arming), and next_deadline() is the exact next tick at which one
// expires; use it with a tick of one nanosecond for virtual time.
//
// How it works:
//  1. Time is counted in ticks of 2^tick_shift nanoseconds. An entry's tick is its deadline rounded up, so it
//     is never early.
//  2. The digits of a tick to the base 64 choose the place: an entry is at the level of the highest digit in
//     which its tick differs from the present tick, in the slot that this digit names. So all of level n
//     expires before any of level n + 1, and the first occupied slot of the lowest occupied level is what comes
//     next. One 64-bit word a level says which are occupied.
//  3. When the present reaches a slot of level 0, its entries are due. When it reaches the start of one at a
//     higher level, its entries are placed anew, at lower levels.
//  4. Ticks that differ above the last level wait in one more list, `far`, which is placed anew when the
//     present reaches the 64^levels block of its earliest entry: with ticks of a millisecond that is beyond two
//     years.
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/timer_entry.hpp"
#include "quiesce/time.hpp"

namespace quiesce::detail {

class TimerWheel {
 public:
  static constexpr std::uint32_t levels = 6, slot_bits = 6, slots_per_level = 1u << slot_bits;
  static constexpr std::uint32_t default_tick_shift = 20;  // 1.05 ms

  /// `tick_shift` is at most 30.
  explicit TimerWheel(std::uint32_t tick_shift = default_tick_shift, bool exact = false) noexcept;
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  /// `entry.deadline` is set and the entry is not linked. Its deadline must not change before it is out again.
  [[gnu::always_inline]] void arm(TimerEntry& entry) noexcept {
    QUIESCE_ASSERT(!entry.linked, "a timer entry is armed twice");
    entry.sequence = next_sequence_++;
    entry.linked = true;
    ++size_;
    place(entry, overdue_list);
  }

  /// True: it will not be handed out. False: it was not linked.
  bool disarm(TimerEntry& entry) noexcept {
    if (!entry.linked) return false;
    take_out(entry);
    return true;
  }

  /// Moves the present to `now` (an earlier time than before changes nothing) and calls `on_expired(entry)` for
  /// each entry that has expired. Returns how many.
  template <class OnExpired>
  std::size_t advance(Time now, OnExpired&& on_expired) {
    std::size_t count = 0;
    collect_expired(now);
    for (TimerEntry* entry = pop_expired(); entry != nullptr; entry = pop_expired(), ++count)
      on_expired(*entry);
    return count;
  }

  /// The two halves of advance, for an owner that lets go of its lock or stops in between: what is not popped
  /// stays, may still be disarmed, and comes first next time. The work is done by the pops, a tick at a time.
  void collect_expired(Time now) noexcept;
  [[nodiscard]] TimerEntry* pop_expired() noexcept {
    while (lists_[expired_list] == nullptr) {
      if (!reach_next_event()) return nullptr;
    }
    TimerEntry* entry = lists_[expired_list];
    take_out(*entry);
    return entry;
  }

  /// A time at or before which nothing more expires than has been handed out: advance to it and ask again.
  /// nullopt when no entry is armed. Six loads; with `exact` also one slot's entries.
  [[nodiscard]] std::optional<Time> next_deadline() const noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

 private:
  // Lists by number: level * 64 + slot, then the three below. Each is a ring; the head's `prev` is the last.
  static constexpr std::uint16_t far_list = levels * slots_per_level;
  static constexpr std::uint16_t overdue_list =
      far_list + 1;  // armed when already expired: for the next advance
  static constexpr std::uint16_t expired_list = far_list + 2;  // being handed out
  static constexpr std::uint16_t list_count = far_list + 3;

  struct Event {
    std::uint64_t tick = 0;
    std::uint16_t list = 0;
  };

  [[nodiscard]] std::uint64_t tick_of(Time deadline) const noexcept {
    if (deadline.nanos() <= 0) return 0;
    const auto nanos = static_cast<std::uint64_t>(deadline.nanos());
    const std::uint64_t rest = nanos & ((std::uint64_t{1} << tick_shift_) - 1);
    return (nanos >> tick_shift_) + (rest != 0 ? 1 : 0);
  }

  /// Puts a linked entry where rules 2 to 4 want it; into `due` when its tick is not in the future.
  [[gnu::always_inline]] void place(TimerEntry& entry, std::uint16_t due) noexcept {
    const std::uint64_t tick = tick_of(entry.deadline);
    if (tick <= present_) return append(entry, due);
    const auto level = static_cast<std::uint32_t>(std::bit_width(tick ^ present_) - 1) / slot_bits;
    if (level >= levels) return place_far(entry, tick);
    const auto slot = static_cast<std::uint32_t>(tick >> (level * slot_bits)) & (slots_per_level - 1);
    occupied_[level] |= std::uint64_t{1} << slot;
    append(entry, static_cast<std::uint16_t>(level * slots_per_level + slot));
  }

  void append(TimerEntry& entry, std::uint16_t list) noexcept {
    TimerEntry*& head = lists_[list];
    entry.slot = list;
    if (head == nullptr) {
      entry.prev = entry.next = &entry;
      head = &entry;
      return;
    }
    entry.next = head;
    entry.prev = head->prev;
    head->prev->next = &entry;
    head->prev = &entry;
  }

  void take_out(TimerEntry& entry) noexcept {
    TimerEntry*& head = lists_[entry.slot];
    if (entry.next == &entry) {
      head = nullptr;
      if (entry.slot < far_list) {
        occupied_[entry.slot / slots_per_level] &= ~(std::uint64_t{1} << (entry.slot % slots_per_level));
      }
    } else {
      entry.prev->next = entry.next;
      entry.next->prev = entry.prev;
      if (head == &entry) head = entry.next;
    }
    entry.prev = entry.next = nullptr;
    entry.linked = false;
    --size_;
  }

  void place_far(TimerEntry& entry, std::uint64_t tick) noexcept;
  [[nodiscard]] std::optional<Event> next_event() const noexcept;
  [[nodiscard]] Time time_of(std::uint64_t tick) const noexcept;
  [[nodiscard]] TimerEntry* detach_list(std::uint16_t list) noexcept;
  void append_all(TimerEntry* ring, std::uint16_t list) noexcept;
  void replace_all(TimerEntry* ring) noexcept;
  [[nodiscard]] bool reach_next_event() noexcept;
  void sort_expired() noexcept;

  std::uint64_t present_ = 0;                     // the tick up to which entries have been collected
  std::uint64_t target_ = 0;                      // the tick that the present shall reach; pops move it there
  std::array<std::uint64_t, levels> occupied_{};  // one bit a slot
  std::array<TimerEntry*, list_count> lists_{};
  std::uint64_t far_tick_min_ = 0;  // a lower bound of the ticks in far_list, while it is not empty
  std::uint64_t next_sequence_ = 0;
  std::size_t size_ = 0;
  const std::uint32_t tick_shift_;
  const bool exact_;
};

}  // namespace quiesce::detail
