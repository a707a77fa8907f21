#pragma once
// The ledger of a region: obligations that are Reserved (rules L1 to L4).
//
// An entry is in the ledger of one region from `reserve_obligation` until it is resolved, moved or leaked; each entry is one
// count of the region's `owed`, so a region cannot close while it owes. Entries come from a slab: a token names (index,
// generation) and a late use of a leaked or stale one is an error.
// The holder may be a task of another region, and outlive this one's finalizers. Then the region goes on owing until the holder
// has resolved the obligation, or has completed: such a task knows what it holds elsewhere (TaskExtra::held).
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
const char* to_string(ObligationKind kind) noexcept;
const char* to_string(ObligationState state) noexcept;
std::ostream& operator<<(std::ostream& out, ObligationKind kind);
std::ostream& operator<<(std::ostream& out, ObligationState state);

namespace detail {

struct RegionRef;

struct ObligationRecord {
  std::atomic<std::uint32_t> generation{0};
  std::uint32_t index = 0;
  // Under the region's lock.
  ObligationState state = ObligationState::Aborted;
  ObligationRecord* prev = nullptr;
  ObligationRecord* next = nullptr;
  TaskId holder;
  LogicalPath holder_path;
  // The list of a holder in another region; under the lock of that extra, which is taken inside the region's.
  std::atomic<TaskExtra*> held_in{nullptr};
  ObligationRecord* held_prev = nullptr;
  ObligationRecord* held_next = nullptr;
  // Set when reserved, then read only until it is resolved.
  std::atomic<RegionRecord*> region{nullptr};
  ObligationKind kind = ObligationKind::SendPermit;
  Time reserved_at;
  std::source_location where;
  ObligationRecord* free_next = nullptr;
};
inline ObligationRecord*& free_link(ObligationRecord& record) { return record.free_next; }
using ObligationSlab = Slab<ObligationRecord>;

struct ObligationRequest {
  ObligationKind kind;
  TaskRecord* holder = nullptr;  // the reserving task; none: code outside any task
  std::source_location where = std::source_location::current();
};

/// An entry in the ledger of `region`, refused as a spawn would be, and at `max_obligations`.
std::expected<ObligationId, RegionError> reserve_obligation(const RegionRef& region,
                                                            const ObligationRequest& request);
/// Reserved -> Committed or Aborted, once; `ObligationLeaked` or `ObligationMoved` (stale) otherwise. With a `resolver`, only for
/// the holder, a finalizer of the region, or when the holder has ended: else `ForeignContext`.
std::expected<void, RegionError> resolve_obligation(ObligationId id, ObligationState how,
                                                    const TaskRecord* resolver = nullptr) noexcept;
/// Moves a Reserved entry to another region's ledger and holder; on refusal everything stays as it was.
std::expected<ObligationId, RegionError> move_obligation(ObligationId id, const RegionRef& to,
                                                         TaskRecord* holder);
/// The finalizer phase is over: what is still Reserved and has no running holder becomes Leaked, now and from now on. How many
/// counts of `owed` the caller must release.
std::uint32_t leak_obligations(RegionRecord& region) noexcept;
/// The task has completed: what it still holds elsewhere is left to those regions, and leaks where their finalizers have run.
void leave_obligations(TaskRecord& task) noexcept;
/// The token of a leaked entry is gone: nobody will ask for it again.
void forget_leaked(ObligationId id) noexcept;

}  // namespace detail
}  // namespace quiesce
