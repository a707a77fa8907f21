#include "quiesce/detail/kernel/obligations.hpp"

#include <mutex>
#include <new>
#include <ostream>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce {

const char* to_string(ObligationKind kind) noexcept {
  switch (kind) {
    case ObligationKind::SendPermit: return "SendPermit";
    case ObligationKind::Ack: return "Ack";
    case ObligationKind::Lease: return "Lease";
    case ObligationKind::IoOp: return "IoOp";
  }
  return "unknown";
}
const char* to_string(ObligationState state) noexcept {
  switch (state) {
    case ObligationState::Reserved: return "Reserved";
    case ObligationState::Committed: return "Committed";
    case ObligationState::Aborted: return "Aborted";
    case ObligationState::Leaked: return "Leaked";
  }
  return "unknown";
}
std::ostream& operator<<(std::ostream& out, ObligationKind kind) { return out << to_string(kind); }
std::ostream& operator<<(std::ostream& out, ObligationState state) { return out << to_string(state); }

namespace detail {
namespace {

/// A Stepper's driver speaks for code outside any task: it never ends, so it holds nothing.
bool can_hold(const TaskRecord* task) { return task != nullptr && task->role != TaskRole::Driver; }

TaskRecord* running_holder(const ObligationRecord& entry) {
  if (!entry.holder.is_valid()) return nullptr;
  TaskRecord* task = TaskSlab::find(entry.holder.index);
  const bool runs =
      task != nullptr && task->generation.load() == entry.holder.generation && !task->word.load().done();
  return runs ? task : nullptr;
}

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

/// Under the extra's lock.
void unhold_locked(TaskExtra& rare, ObligationRecord& entry) {
  if (entry.held_prev != nullptr) {
    entry.held_prev->held_next = entry.held_next;
  } else {
    rare.held = entry.held_next;
  }
  if (entry.held_next != nullptr) entry.held_next->held_prev = entry.held_prev;
  entry.held_in.store(nullptr, std::memory_order_relaxed);
}

/// Under the region's lock.
void unhold(ObligationRecord& entry) {
  entry.holder = TaskId{};
  entry.holder_path = LogicalPath();
  TaskExtra* rare = entry.held_in.load(std::memory_order_acquire);
  if (rare == nullptr) return;
  std::scoped_lock hold(rare->lock);
  if (entry.held_in.load(std::memory_order_relaxed) == rare)
    unhold_locked(*rare, entry);  // else its holder has just left it
}

/// Under the region's lock, of an entry that nobody holds. `rare`: the holder's, when it is a task of another region.
void hold(ObligationRecord& entry, TaskRecord* holder, TaskExtra* rare) {
  if (!can_hold(holder)) return;
  entry.holder = holder->id();
  entry.holder_path = holder->path;
  if (rare == nullptr) return;
  std::scoped_lock hold(rare->lock);
  entry.held_prev = nullptr;
  entry.held_next = rare->held;
  if (rare->held != nullptr) rare->held->held_prev = &entry;
  rare->held = &entry;
  entry.held_in.store(rare, std::memory_order_release);
}

/// What a holder in another region needs; made before any lock is taken.
TaskExtra* extra_of(TaskRecord* holder, const RegionRecord& region) {
  return can_hold(holder) && holder->region != &region ? &Kernel::extra(*holder) : nullptr;
}

/// The running task counts among the live ones of the region until it has ended: the region cannot close meanwhile.
bool keeps_open(const TaskRecord* holder, const RegionRecord& region) {
  return holder != nullptr && holder == current_task() && holder->region == &region &&
         (holder->role == TaskRole::Child || holder->role == TaskRole::Body);
}

/// May `region` take an entry now? Open for anyone; in any state but Closed for a task of its own that still runs (R3).
bool admits_reservation(RegionWord word, const RegionRef& region, const TaskRecord* holder) {
  const bool inside = holder != nullptr && holder->region == region.record;
  return inside ? region_word::admits_holder(word, region.generation)
                : region_word::admits(word, region.generation);
}

std::optional<RegionError> over_limit(RegionRecord& region, RegionRef ref) {
  if (!region.limits.max_obligations || region.obligation_count < *region.limits.max_obligations)
    return std::nullopt;
  return RegionError(SpawnError::at_capacity(ref.id(), region.path.to_string(), "max_obligations",
                                             *region.limits.max_obligations, region.obligation_count));
}

ErrorCode stale_code(const ObligationRecord& entry, ObligationId id) {
  const bool same_life = entry.generation.load(std::memory_order_acquire) == id.generation;
  return same_life && entry.state == ObligationState::Leaked ? ErrorCode::ObligationLeaked
                                                             : ErrorCode::ObligationMoved;
}

/// Under the region's lock (L1).
bool may_resolve(const ObligationRecord& entry, const RegionRecord& region, const TaskRecord* resolver) {
  if (resolver == nullptr || resolver->id() == entry.holder) return true;
  const bool finalizer = resolver->role == TaskRole::Finalizer || resolver->role == TaskRole::Runner;
  if (finalizer && resolver->region == &region) return true;
  return running_holder(entry) == nullptr;
}

std::uint64_t name_of(ObligationId id) { return (std::uint64_t{id.generation} << 32) | id.index; }

/// Under the region's lock: the entry, if `id` names a Reserved one of this region.
bool is_reserved(const ObligationRecord& entry, const RegionRecord& region, ObligationId id) {
  return entry.region.load(std::memory_order_relaxed) == &region && entry.generation.load() == id.generation &&
         entry.state == ObligationState::Reserved;
}

/// Under the region's lock. Its record stays taken, so that every later use of the token says so. What to log.
std::string leak(RegionRecord& region, ObligationRecord& entry) {
  std::string text = std::string("an obligation of kind ") + to_string(entry.kind) + " that ";
  text += entry.holder.is_valid() ? "task " + entry.holder_path.to_string() + " held" : "no task held";
  text += ", reserved at " + std::string(entry.where.file_name()) + ":" + std::to_string(entry.where.line()) +
          " when the context's clock stood at " + std::to_string(entry.reserved_at.nanos() / 1'000'000) +
          " ms, has leaked: it was still reserved when its holder and the finalizers of its region had ended";
  entry.state = ObligationState::Leaked;
  region.kernel->tell({.kind = KernelEventKind::ObligationLeaked,
                       .region = &region,
                       .value = name_of({entry.index, entry.generation.load(std::memory_order_relaxed)}),
                       .text = text.c_str()});
  unlink(region, entry);
  unhold(entry);
  return text;
}

void report_leak(RegionRecord& region, const std::string& text) noexcept {
  Kernel& kernel = *region.kernel;
  kernel.count_leak();
  report_metric(kernel.metrics(), [&](MetricsProvider& to) { to.obligation_leaked(region.id()); });
  if (kernel.config().log == nullptr) return;
  const std::string path = region.path.to_string();
  const LogField fields[] = {{"region", path}};
  kernel.config().log->write(LogLevel::Warn, text, fields);
}

}  // namespace

// A reservation takes a live admission first and drops it after owed++, so that it cannot land on a next life; a task of the region
// has one. When it was reserved is as exact as since when a task waits: to the step.
std::expected<ObligationId, RegionError> reserve_obligation(const RegionRef& ref,
                                                            const ObligationRequest& request) {
  RegionRecord& region = *ref.record;
  const bool admitted = keeps_open(request.holder, region);
  const RegionWord before = admitted ? region.word.load() : region.word.add_one();
  Kernel* kernel = region.kernel;
  kernel->use(region, Use::Write);
  if (!admits_reservation(before, ref, request.holder)) {
    RegionError error(kernel->refuse(ref));
    if (!admitted) kernel->release_live(region);
    return std::unexpected(std::move(error));
  }
  TaskExtra* rare = extra_of(request.holder, region);
  ObligationRecord* entry = kernel->refuses(Refusal::Allocation) ? nullptr : ObligationSlab::allocate();
  if (entry == nullptr) {
    if (!admitted) kernel->release_live(region);
    throw std::bad_alloc();
  }
  std::optional<RegionError> refused;
  ObligationId id;
  {
    std::scoped_lock lock(region.lock);
    refused = over_limit(region, ref);
    if (!refused) {
      id = {entry->index, entry->generation.fetch_add(1, std::memory_order_release) + 1};
      entry->state = ObligationState::Reserved;
      entry->region.store(&region, std::memory_order_release);
      entry->kind = request.kind;
      entry->reserved_at = kernel->executor().coarse_now();
      entry->where = request.where;
      hold(*entry, request.holder, rare);
      link(region, *entry);
      if (!kernel->plants(Defect::ObligationNotOwed)) region.owed.fetch_add(1, std::memory_order_acq_rel);
      if (kernel->config().exact) {
        kernel->tell({.kind = KernelEventKind::ObligationReserved,
                      .task = can_hold(request.holder) ? request.holder : nullptr,
                      .region = &region,
                      .value = name_of(id),
                      .text = to_string(request.kind)});
      }
    }
  }
  if (refused) {
    ObligationSlab::free(entry);
  } else {
    report_metric(kernel->metrics(), [&](MetricsProvider& to) { to.obligation_created(ref.id()); });
  }
  if (!admitted) kernel->release_live(region);
  if (refused) return std::unexpected(std::move(*refused));
  return id;
}

std::expected<void, RegionError> resolve_obligation(ObligationId id, ObligationState how,
                                                    const TaskRecord* resolver) noexcept {
  ObligationRecord* entry = ObligationSlab::find(id.index);
  RegionRecord* region = entry == nullptr ? nullptr : entry->region.load(std::memory_order_acquire);
  if (region == nullptr) return std::unexpected(RegionError(ErrorCode::ObligationMoved, RegionId{}));
  {
    std::scoped_lock lock(region->lock);
    region->kernel->use(*region, Use::Write);
    const RegionId where{region->index, region->word.load().generation()};
    if (!is_reserved(*entry, *region, id)) return std::unexpected(RegionError(stale_code(*entry, id), where));
    if (!may_resolve(*entry, *region, resolver)) {
      return std::unexpected(RegionError(ErrorCode::ForeignContext, where, region->path.to_string()));
    }
    if (region->kernel->config().exact) {
      region->kernel->tell({.kind = KernelEventKind::ObligationSettled,
                            .region = region,
                            .value = name_of(id),
                            .text = to_string(how)});
    }
    entry->state = how;
    unlink(*region, *entry);
    unhold(*entry);
  }
  Kernel& kernel = *region->kernel;  // it owes still: it is in this life
  report_metric(kernel.metrics(), [&](MetricsProvider& to) { to.obligation_discharged(region->id()); });
  ObligationSlab::free(entry);
  kernel.release_owed(*region);
  return {};
}

std::expected<ObligationId, RegionError> move_obligation(ObligationId id, const RegionRef& to,
                                                         TaskRecord* holder) {
  ObligationRecord* entry = ObligationSlab::find(id.index);
  RegionRecord* from = entry == nullptr ? nullptr : entry->region.load(std::memory_order_acquire);
  if (from == nullptr) return std::unexpected(RegionError(ErrorCode::ObligationMoved, RegionId{}));
  TaskExtra* rare = extra_of(holder, *from);
  std::optional<ObligationRequest> request;
  {
    std::scoped_lock lock(from->lock);
    from->kernel->use(*from, Use::Write);
    const RegionWord word = from->word.load();
    if (!is_reserved(*entry, *from, id)) {
      return std::unexpected(RegionError(stale_code(*entry, id), RegionId{from->index, word.generation()}));
    }
    // Within one region the entry stays, and holds it open: only a stranger needs it to be Open still.
    if (from == to.record && admits_reservation(word, to, holder)) {
      Kernel& kernel = *from->kernel;
      kernel.tell(
          {.kind = KernelEventKind::ObligationSettled, .region = from, .value = name_of(id), .text = "moved"});
      kernel.tell({.kind = KernelEventKind::ObligationReserved,
                   .task = can_hold(holder) ? holder : nullptr,
                   .region = from,
                   .value = name_of(id),
                   .text = to_string(entry->kind)});
      unhold(*entry);
      hold(*entry, holder, rare);
      return id;
    }
    request.emplace(ObligationRequest{entry->kind, holder, entry->where});
  }
  // The new entry first, then the old one goes: a refusal leaves everything as it was.
  auto moved = reserve_obligation(to, *request);
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
      std::scoped_lock lock(region.lock);
      region.leaks = true;
      ObligationRecord* entry = region.ledger;
      while (entry != nullptr && running_holder(*entry) != nullptr) entry = entry->next;
      if (entry == nullptr) return leaked;
      text = leak(region, *entry);
      ++leaked;
    }
    report_leak(region, text);
  }
}

// The task is Done, so a region that looks from now on sees that; one that has looked before is found through the list.
void leave_obligations(TaskRecord& task) noexcept {
  TaskExtra* rare = task.extra.load(std::memory_order_acquire);
  if (rare == nullptr) return;
  for (;;) {
    ObligationRecord* entry;
    RegionRecord* region;
    ObligationId id;
    {
      std::scoped_lock lock(rare->lock);
      entry = rare->held;
      if (entry == nullptr) return;
      region = entry->region.load(std::memory_order_relaxed);
      id = {entry->index, entry->generation.load(std::memory_order_relaxed)};
      unhold_locked(*rare, *entry);
    }
    std::string text;
    {
      std::scoped_lock lock(region->lock);
      if (!is_reserved(*entry, *region, id) || entry->holder != task.id() || !region->leaks) continue;
      text = leak(*region, *entry);
    }
    report_leak(*region, text);
    region->kernel->release_owed(*region);
  }
}

void forget_leaked(ObligationId id) noexcept {
  ObligationRecord* entry = ObligationSlab::find(id.index);
  RegionRecord* region = entry == nullptr ? nullptr : entry->region.load(std::memory_order_acquire);
  if (region == nullptr) return;
  {
    std::scoped_lock lock(region->lock);
    if (entry->generation.load() != id.generation || entry->state != ObligationState::Leaked) return;
    entry->state = ObligationState::Aborted;
  }
  ObligationSlab::free(entry);
}

}  // namespace detail
}  // namespace quiesce
