#pragma once
// Records that are never unmapped.
//
// Task and region records come from process-wide slabs: an index always names the same memory, so a stale id, handle or
// context can always look at its record, see another generation, and refuse. Free records sit in per-thread magazines that are
// exchanged in batches with a depot under a lock (Bonwick and Adams, "Magazines and Vmem", USENIX 2001).
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace quiesce::detail {

/// Record needs: public `std::uint32_t index`, a default constructor, and `Record*& free_link(Record&)`, a field that is free while
/// the record is.
template <class Record>
class Slab {
 public:
  static constexpr std::uint32_t chunk_bits = 10, chunk_size = 1u << chunk_bits, chunks_max = 1u << 14;
  static constexpr std::uint32_t records_max = chunk_size * chunks_max;  // 2^24: an index fits in 24 bits

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

}  // namespace quiesce::detail
