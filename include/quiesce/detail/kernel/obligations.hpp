#pragma once
// The ledger of a region: obligations that are Reserved (rules L1 to L4).
//
// An entry is in the ledger of one region from `reserve_obligation` until it is resolved, moved or leaked; each entry is one
// count of the region's `owed`, so a region cannot close while it owes. Entries come from a slab: a token names (index,
// generation) and a late use of a leaked or stale one is an error.
#include <atomic>
#include <cstdint>
#include <expected>
#include <source_location>

#include "quiesce/detail/kernel/records.hpp"
#include "quiesce/spawn_error.hpp"

namespace quiesce {

/// What is owed (rule L1).
enum class ObligationKind : std::uint8_t { SendPermit, Ack, Lease, IoOp };
/// Reserved, then one of the three final states.
enum class ObligationState : std::uint8_t { Reserved, Committed, Aborted, Leaked };

namespace detail {

struct RegionRef;

struct ObligationRecord {
  std::atomic<std::uint32_t> generation{0};
  std::uint32_t index = 0;
  // Under the region's lock.
  ObligationState state = ObligationState::Aborted;
  ObligationRecord* prev = nullptr;
  ObligationRecord* next = nullptr;
  // Set when reserved, then read only until it is resolved.
  std::atomic<RegionRecord*> region{nullptr};
  ObligationKind kind = ObligationKind::SendPermit;
  TaskId holder;
  LogicalPath holder_path;
  Time reserved_at;
  std::source_location where;
  ObligationRecord* free_next = nullptr;
};
using ObligationSlab = Slab<ObligationRecord>;

struct ObligationRequest {
  ObligationKind kind;
  TaskRecord* holder = nullptr;  // the reserving task
  std::source_location where = std::source_location::current();
};

/// An entry in the ledger of `region`, refused as a spawn would be, and at `max_obligations`.
std::expected<ObligationId, RegionError> reserve_obligation(const RegionRef& region, const ObligationRequest& request);
/// Reserved -> Committed or Aborted, once; `ObligationLeaked` or `ObligationMoved` (stale) otherwise.
std::expected<void, RegionError> resolve_obligation(ObligationId id, ObligationState how) noexcept;
/// Moves a Reserved entry to another region's ledger and holder; on refusal everything stays as it was.
std::expected<ObligationId, RegionError> move_obligation(ObligationId id, const RegionRef& to, TaskRecord* holder);
/// What is still Reserved becomes Leaked; how many counts of `owed` the caller must release.
std::uint32_t leak_obligations(RegionRecord& region) noexcept;

}  // namespace detail
}  // namespace quiesce
