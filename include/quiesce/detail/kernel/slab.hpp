#pragma once
// Records that are never unmapped.
//
// Task and region records come from process-wide slabs: an index always names the same memory, so a stale id, handle or
// context can always look at its record, see another generation, and refuse. Free records sit in per-thread magazines that are
// exchanged in batches with a depot (Bonwick and Adams, "Magazines and Vmem", USENIX 2001).
//
//  1. Memory comes in *chunks* of 1,024 records, cut into *spans* of 64. What of a span is in the depot is in the span's own list. A span is
//     in the list of those that are partial (some of its records are here), whole (all are), or blank (none of them has begun); with
//     none of its records here it is in no list. A thread that needs some takes from partial spans first, then a whole one, then a blank
//     one: so that whole ones stay whole.
//  2. All of that is under the depot's lock. A span that is in no list and has none of its records anywhere else is its taker's alone.
//  3. Records that have `Lives` are *given back* by age (ageing.hpp): a span that was whole for a period gives its pages to the system and
//     is blank again. Its records read as zeros then, at any time and by anyone: as Free, of generation 0, which no id has, and of an
//     epoch that no wait has. So nobody who looks at a record by an id, a context or a waiter that may be stale follows anything in it
//     before it has compared generation or epoch, and none writes to it.
//  4. A blank span's records begin beyond what the furthest of them had come to (`Lives`): no generation or epoch comes twice.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace quiesce::detail {

/// Record needs: public `std::uint32_t index`, a default constructor, and `Record*& free_link(Record&)`, a field that is free while
/// the record is. To be given back by age it needs
///   struct Lives { void include(const Record&) noexcept; }    how far some free records have come; by default that of a new one
///   void begin(std::uint32_t index, const Lives&) noexcept    the record is zeros: it becomes a free one that is as far
template <class Record>
class Slab {
 public:
  static constexpr std::uint32_t chunk_bits = 10, chunk_size = 1u << chunk_bits, chunks_max = 1u << 14;
  static constexpr std::uint32_t records_max = chunk_size * chunks_max;  // 2^24: an index fits in 24 bits
  static constexpr std::uint32_t span_size = 64;

  /// A free record, or nullptr when memory or indices are exhausted.
  static Record* allocate() noexcept;
  static void free(Record* record) noexcept;

  /// The record with this index; nullptr when no such record was ever made. Any thread, at any time.
  static Record* find(std::uint32_t index) noexcept {
    if (index >= records_max) return nullptr;
    Record* chunk =
        chunks_[index >> chunk_bits].load(std::memory_order_acquire);  // pairs with the release in grow
    return chunk == nullptr ? nullptr : chunk + (index & (chunk_size - 1));
  }
  /// The same of an index that a record has; of `records_max`: nullptr.
  static Record* at(std::uint32_t index) noexcept {
    return chunks_[index >> chunk_bits].load(std::memory_order_acquire) + (index & (chunk_size - 1));
  }

 private:
  static Record* allocate_first() noexcept;
  static void free_many() noexcept;

  static inline std::atomic<Record*> chunks_[chunks_max + 1] = {};  // the last stays null: `at`
};

/// Gives the memory of task records that nobody needed for a whole period back to the system, some spans at a time: for workers that have
/// nothing to do. As `Ageing::age` (ageing.hpp).
std::optional<std::int64_t> record_age(std::int64_t now_ns) noexcept;
/// How many spans of task records are whole, for tests.
std::uint32_t whole_record_spans() noexcept;

}  // namespace quiesce::detail
