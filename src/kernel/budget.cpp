// Quotas (rule B4): spent by the whole region, counted only at ancestors that set a finite one.
#include <algorithm>
#include <mutex>
#include <vector>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {
namespace {

/// Steps that this worker has made in one region and not yet counted there: at most a lease.
struct Lease {
  RegionRecord* region = nullptr;
  std::uint32_t generation = 0;
  std::uint32_t steps = 0;
  std::uint32_t limit = 1;
};
constexpr std::int64_t lease_steps_max = 64;
constinit thread_local Lease lease{};

RegionRecord* next_quota(RegionRecord* region) {
  return region->parent != nullptr ? region->parent->quota : nullptr;
}

/// Spends from every ancestor that counts; whoever is exhausted by it is cancelled. `region` is held alive by its lock: it
/// cannot close meanwhile, and so its ancestors cannot either.
template <class Spend>
void spend_up(RegionRef region, CancelKind kind, const char* message, Spend spend) noexcept {
  std::vector<RegionRef> exhausted;
  {
    std::scoped_lock hold(region.record->lock);
    if (!region.alive()) return;
    for (RegionRecord* at = region.record->quota; at != nullptr; at = next_quota(at)) {
      at->kernel->use(*at, Use::Write);
      if (spend(*at)) exhausted.push_back({at, at->word.load().generation()});
    }
  }
  for (RegionRef ref : exhausted) {
    ref.record->kernel->cancel_region(ref, CancelReason::make(kind, message, std::source_location::current()),
                                      Whose::Outside);
  }
}

/// Steps of a shielded region are steps under its opener's mask. The opener waits for the region, so it is there while the
/// region is; a reference keeps its record when the region's lock is given up.
void spend_polls(RegionRef region, std::uint32_t steps) noexcept {
  std::vector<TaskRecord*> masked;
  spend_up(region, CancelKind::PollQuota, "the poll quota of the region is spent", [&](RegionRecord& at) {
    if (at.counts_mask) {
      at.opener->references.add();
      masked.push_back(at.opener);
    }
    if (!at.counts_polls) return false;
    std::int64_t left = at.polls_left.fetch_sub(steps, std::memory_order_relaxed);
    return left >= 0 && left - static_cast<std::int64_t>(steps) < 0;
  });
  for (TaskRecord* opener : masked) {
    opener->kernel().count_masked_steps(*opener, steps);
    Kernel::drop_reference(*opener);
  }
}

/// Small quotas are counted nearly exactly, large ones in full leases.
std::uint32_t lease_for(const RegionRecord& region) {
  std::int64_t left = lease_steps_max * 8;
  for (const RegionRecord* at = region.quota; at != nullptr; at = next_quota(const_cast<RegionRecord*>(at))) {
    if (at->counts_polls) left = std::min(left, at->polls_left.load(std::memory_order_relaxed));
  }
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left / 8, 1, lease_steps_max));
}

}  // namespace

void flush_polls() noexcept {
  if (lease.steps == 0) return;
  Lease due = lease;
  lease.steps = 0;
  spend_polls({due.region, due.generation}, due.steps);
}

void Kernel::count_polls(RegionRecord& region, std::uint32_t steps) noexcept {
  std::uint32_t generation = region.word.load().generation();
  if (lease.region != &region || lease.generation != generation) {
    flush_polls();
    lease = {&region, generation, 0, config_.exact ? 1 : lease_for(region)};
  }
  lease.steps += steps;
  if (lease.steps < lease.limit) return;
  flush_polls();
  lease.limit = config_.exact ? 1 : lease_for(region);
}

bool Kernel::charge(RegionRecord& region, std::uint64_t cost) noexcept {
  bool within = true;
  spend_up({&region, region.word.load().generation()}, CancelKind::CostBudget,
           "the cost quota of the region is spent", [&](RegionRecord& at) {
             if (!at.counts_cost) return false;
             auto amount = static_cast<std::int64_t>(std::min<std::uint64_t>(cost, std::uint64_t{1} << 62));
             std::int64_t left = at.cost_left.load(std::memory_order_relaxed);
             while (!at.cost_left.compare_exchange_weak(left, std::max(left - amount, std::int64_t{-1}),
                                                        std::memory_order_relaxed)) {}
             if (left - amount < 0) within = false;
             return left >= 0 && left - amount < 0;
           });
  return within;
}

}  // namespace quiesce::detail
