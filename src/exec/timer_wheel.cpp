#include "quiesce/detail/exec/timer_wheel.hpp"

#include <algorithm>
#include <limits>

namespace quiesce::detail {
namespace {

constexpr std::uint64_t block_mask = (std::uint64_t{1} << (TimerWheel::levels * TimerWheel::slot_bits)) - 1;
constexpr std::uint32_t tick_shift_max = 30;

bool expires_before(const TimerEntry& a, const TimerEntry& b) noexcept {
  return a.deadline != b.deadline ? a.deadline < b.deadline : a.sequence < b.sequence;
}

/// Merges two sorted lists linked by `next` and ended by nullptr.
TimerEntry* merge(TimerEntry* a, TimerEntry* b) noexcept {
  TimerEntry* head = nullptr;
  TimerEntry** tail = &head;
  while (a != nullptr && b != nullptr) {
    TimerEntry*& first = expires_before(*b, *a) ? b : a;
    *tail = first;
    tail = &first->next;
    first = first->next;
  }
  *tail = a != nullptr ? a : b;
  return head;
}

/// Merge sort from the bottom up, so that a million entries need no stack: runs[n] is empty or a sorted run of
/// 2^n.
TimerEntry* sort_list(TimerEntry* list) noexcept {
  std::array<TimerEntry*, 64> runs{};
  while (list != nullptr) {
    TimerEntry* run = list;
    list = list->next;
    run->next = nullptr;
    std::size_t rank = 0;
    for (; runs[rank] != nullptr; ++rank) {
      run = merge(runs[rank], run);
      runs[rank] = nullptr;
    }
    runs[rank] = run;
  }
  TimerEntry* sorted = nullptr;
  for (TimerEntry* run : runs) sorted = merge(run, sorted);
  return sorted;
}

}  // namespace

TimerWheel::TimerWheel(std::uint32_t tick_shift, bool exact) noexcept : tick_shift_(tick_shift), exact_(exact) {
  QUIESCE_ASSERT(tick_shift <= tick_shift_max, "a timer tick is at most 2^30 ns");
}

void TimerWheel::collect_expired(Time now) noexcept {
  if (now.nanos() > 0) target_ = std::max(target_, static_cast<std::uint64_t>(now.nanos()) >> tick_shift_);
  if (lists_[overdue_list] == nullptr) return;
  append_all(detach_list(overdue_list), expired_list);
  if (exact_) sort_expired();
}

/// Moves the present on to the next occupied slot and empties that; false when the target comes first.
/// Collecting tick by tick keeps what is about to be handed out in the cache; sorting tick by tick is sorting
/// the whole, as ticks order deadlines.
bool TimerWheel::reach_next_event() noexcept {
  if (present_ == target_) return false;
  const std::optional<Event> event = next_event();
  if (!event || event->tick > target_) {
    present_ = target_;
    return false;
  }
  present_ = event->tick;
  TimerEntry* ring = detach_list(event->list);
  if (event->list < slots_per_level) {
    append_all(ring, expired_list);
  } else {
    replace_all(ring);
  }
  if (exact_) sort_expired();
  return true;
}

std::optional<Time> TimerWheel::next_deadline() const noexcept {
  if (lists_[expired_list] != nullptr || lists_[overdue_list] != nullptr) return time_of(present_);
  const std::optional<Event> event = next_event();
  if (!event) return std::nullopt;
  if (!exact_) return time_of(event->tick);
  std::uint64_t earliest = std::numeric_limits<std::uint64_t>::max();
  const TimerEntry* const head = lists_[event->list];
  const TimerEntry* entry = head;
  do {
    earliest = std::min(earliest, tick_of(entry->deadline));
    entry = entry->next;
  } while (entry != head);
  return time_of(earliest);
}

/// The first slot that the present will reach, by rule 2; the far list when there is none.
std::optional<TimerWheel::Event> TimerWheel::next_event() const noexcept {
  for (std::uint32_t level = 0; level < levels; ++level) {
    if (occupied_[level] == 0) continue;
    const auto slot = static_cast<std::uint32_t>(std::countr_zero(occupied_[level]));
    const std::uint32_t shift = level * slot_bits;
    const std::uint64_t above = present_ >> (shift + slot_bits) << (shift + slot_bits);
    return Event{above | (std::uint64_t{slot} << shift),
                 static_cast<std::uint16_t>(level * slots_per_level + slot)};
  }
  if (lists_[far_list] == nullptr) return std::nullopt;
  // The bound may be that of an entry which has left since; then this list is placed anew in vain, once. Its
  // block lies in the future in any case: reaching it would have placed the list anew.
  return Event{far_tick_min_ & ~block_mask, far_list};
}

Time TimerWheel::time_of(std::uint64_t tick) const noexcept {
  constexpr auto nanos_max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (tick > nanos_max >> tick_shift_) return Time::max();
  return Time::from_nanos(static_cast<std::int64_t>(tick << tick_shift_));
}

void TimerWheel::place_far(TimerEntry& entry, std::uint64_t tick) noexcept {
  far_tick_min_ = lists_[far_list] == nullptr ? tick : std::min(far_tick_min_, tick);
  append(entry, far_list);
}

/// Empties a list and gives its ring; the entries still name it.
TimerEntry* TimerWheel::detach_list(std::uint16_t list) noexcept {
  TimerEntry* ring = lists_[list];
  lists_[list] = nullptr;
  if (list < far_list) occupied_[list / slots_per_level] &= ~(std::uint64_t{1} << (list % slots_per_level));
  return ring;
}

void TimerWheel::append_all(TimerEntry* ring, std::uint16_t list) noexcept {
  if (ring == nullptr) return;
  ring->prev->next = nullptr;
  while (ring != nullptr) {
    TimerEntry* next = ring->next;
    append(*ring, list);
    ring = next;
  }
}

void TimerWheel::replace_all(TimerEntry* ring) noexcept {
  if (ring == nullptr) return;
  ring->prev->next = nullptr;
  while (ring != nullptr) {
    TimerEntry* next = ring->next;
    place(*ring, expired_list);
    ring = next;
  }
}

void TimerWheel::sort_expired() noexcept {
  TimerEntry* ring = detach_list(expired_list);
  if (ring == nullptr) return;
  ring->prev->next = nullptr;
  TimerEntry* entry = sort_list(ring);
  while (entry != nullptr) {
    TimerEntry* next = entry->next;
    append(*entry, expired_list);
    entry = next;
  }
}

}  // namespace quiesce::detail
