#include "quiesce/detail/kernel/obligations.hpp"

#include <mutex>
#include <new>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {
namespace {

/// Links an entry; under the region's lock.
void link(RegionRecord& region, ObligationRecord& entry) {
  entry.prev = nullptr;
  entry.next = region.ledger;
  if (region.ledger != nullptr) region.ledger->prev = &entry;
  region.ledger = &entry;
  ++region.obligation_count;
}

void unlink(RegionRecord& region, ObligationRecord& entry) {
  if (entry.prev != nullptr) {
    entry.prev->next = entry.next;
  } else {
    region.ledger = entry.next;
  }
  if (entry.next != nullptr) entry.next->prev = entry.prev;
  --region.obligation_count;
}

/// May `region` take an entry now? Open for anyone; in any state but Closed for a task of its own that still runs (R3).
bool admits_reservation(const RegionRef& region, const TaskRecord* holder) {
  RegionWord word = region.record->word.load();
  const bool inside = holder != nullptr && holder->region == region.record;
  return inside ? region_word::admits_holder(word, region.generation) : region_word::admits(word, region.generation);
}

std::optional<RegionError> over_limit(RegionRecord& region, RegionRef ref) {
  if (!region.limits.max_obligations || region.obligation_count < *region.limits.max_obligations) return std::nullopt;
  return RegionError(SpawnError::at_capacity(ref.id(), region.path.to_string(), "max_obligations", *region.limits.max_obligations,
                                             region.obligation_count));
}

ErrorCode stale_code(const ObligationRecord* entry, ObligationId id) {
  const bool same_life = entry != nullptr && entry->generation.load(std::memory_order_acquire) == id.generation;
  return same_life && entry->state == ObligationState::Leaked ? ErrorCode::ObligationLeaked : ErrorCode::ObligationMoved;
}

}  // namespace

// A reservation by a stranger takes a live admission first and drops it after owed++, so that it cannot land on a next life.
std::expected<ObligationId, RegionError> reserve_obligation(const RegionRef& ref, const ObligationRequest& request) {
  RegionRecord& region = *ref.record;
  RegionWord before = region.word.add_one();
  Kernel* kernel = region.kernel;
  const bool inside = request.holder != nullptr && request.holder->region == &region;
  if (inside ? !region_word::admits_holder(before, ref.generation) : !region_word::admits(before, ref.generation)) {
    RegionError error(kernel->refuse(ref));
    kernel->release_live(region);
    return std::unexpected(std::move(error));
  }
  ObligationRecord* entry = ObligationSlab::allocate();
  if (entry == nullptr) {
    kernel->release_live(region);
    throw std::bad_alloc();
  }
  std::optional<RegionError> refused;
  ObligationId id;
  {
    std::scoped_lock hold(region.lock);
    refused = over_limit(region, ref);
    if (!refused) {
      id = {entry->index, entry->generation.fetch_add(1, std::memory_order_release) + 1};
      entry->state = ObligationState::Reserved;
      entry->region.store(&region, std::memory_order_release);
      entry->kind = request.kind;
      entry->holder = request.holder ? request.holder->id() : TaskId{};
      entry->holder_path = request.holder ? request.holder->path : LogicalPath();
      entry->reserved_at = kernel->executor().now();
      entry->where = request.where;
      link(region, *entry);
      region.owed.fetch_add(1, std::memory_order_acq_rel);
    }
  }
  if (refused) ObligationSlab::free(entry);
  if (!refused && kernel->metrics() != nullptr) kernel->metrics()->obligation_created(ref.id());
  kernel->release_live(region);
  if (refused) return std::unexpected(std::move(*refused));
  return id;
}

std::expected<void, RegionError> resolve_obligation(ObligationId id, ObligationState how) noexcept {
  ObligationRecord* entry = ObligationSlab::find(id.index);
  RegionRecord* region = entry == nullptr ? nullptr : entry->region.load(std::memory_order_acquire);
  if (region == nullptr) return std::unexpected(RegionError(ErrorCode::ObligationMoved, RegionId{}));
  {
    std::scoped_lock hold(region->lock);
    if (entry->region.load(std::memory_order_relaxed) != region || entry->generation.load() != id.generation ||
        entry->state != ObligationState::Reserved) {
      return std::unexpected(RegionError(stale_code(entry, id), RegionId{region->index, region->word.load().generation()}));
    }
    entry->state = how;
    unlink(*region, *entry);
  }
  Kernel& kernel = *region->kernel;
  if (kernel.metrics() != nullptr) kernel.metrics()->obligation_discharged(region->id());
  entry->holder_path = LogicalPath();
  ObligationSlab::free(entry);
  kernel.release_owed(*region);
  return {};
}

std::expected<ObligationId, RegionError> move_obligation(ObligationId id, const RegionRef& to, TaskRecord* holder) {
  ObligationRecord* entry = ObligationSlab::find(id.index);
  RegionRecord* from = entry == nullptr ? nullptr : entry->region.load(std::memory_order_acquire);
  if (from == nullptr) return std::unexpected(RegionError(ErrorCode::ObligationMoved, RegionId{}));
  ObligationRequest request{entry->kind, holder, entry->where};
  if (from == to.record && admits_reservation(to, holder)) {
    std::scoped_lock hold(from->lock);
    if (entry->generation.load() != id.generation || entry->state != ObligationState::Reserved) {
      return std::unexpected(RegionError(stale_code(entry, id), to.id()));
    }
    if (holder != nullptr) {
      entry->holder = holder->id();
      entry->holder_path = holder->path;
    }
    return id;
  }
  // The new entry first, then the old one goes: a refusal leaves everything as it was.
  auto moved = reserve_obligation(to, request);
  if (!moved) return moved;
  if (auto resolved = resolve_obligation(id, ObligationState::Aborted); !resolved) {
    (void)resolve_obligation(*moved, ObligationState::Aborted);
    return std::unexpected(std::move(resolved).error());
  }
  return moved;
}

std::uint32_t leak_obligations(RegionRecord& region) noexcept {
  std::uint32_t leaked = 0;
  for (;;) {
    std::string text;
    {
      std::scoped_lock hold(region.lock);
      ObligationRecord* entry = region.ledger;
      if (entry == nullptr) return leaked;
      entry->state = ObligationState::Leaked;  // its record stays taken, so that every later use of the token says so
      unlink(region, *entry);
      ++leaked;
      text = "an obligation of kind " + std::to_string(static_cast<int>(entry->kind)) + " reserved by task " +
             entry->holder_path.to_string() + " at " + entry->where.file_name() + ":" + std::to_string(entry->where.line()) +
             " has leaked: it was still reserved when its region ended";
      entry->holder_path = LogicalPath();
    }
    Kernel& kernel = *region.kernel;
    if (kernel.metrics() != nullptr) kernel.metrics()->obligation_leaked(region.id());
    if (kernel.config().log != nullptr) {
      const std::string path = region.path.to_string();
      const LogField fields[] = {{"region", path}};
      kernel.config().log->write(LogLevel::Warn, text, fields);
    }
  }
}

}  // namespace quiesce::detail
