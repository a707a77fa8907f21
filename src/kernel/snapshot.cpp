#include "quiesce/detail/kernel/snapshot.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <source_location>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/look.hpp"
#include "quiesce/detail/kernel/wait.hpp"

namespace quiesce {
namespace detail {
namespace {

const char* role_of(const TaskRecord& task) {
  if (task.role == TaskRole::Body) return "body";
  if (task.role == TaskRole::Finalizer) return "finalizer";
  if (task.tier == TaskTier::Local) return "local";
  return task.tier == TaskTier::Blocking ? "blocking" : "task";
}

/// Since a coarse time of this kernel's clock, which a record keeps 32 bits of.
Duration since_ms(std::uint32_t then, Time now) {
  return Duration(std::int64_t{static_cast<std::uint32_t>(now.nanos() / 1'000'000) - then} * 1'000'000);
}

/// Under the shard's (or, when failed, the region's) lock, which keeps the record in this life.
TaskSnapshot view(const TaskRecord& task, const std::optional<WaitGlance>& wait, Time now, bool failed) {
  TaskSnapshot shot;
  TaskWord word = task.word.load();
  shot.id = task.id();
  shot.path = task.path.to_string();
  shot.role = role_of(task);
  shot.steps = task.steps.load(std::memory_order_relaxed);
  shot.phase = phase_of(word, shot.steps);
  shot.cancel_requested = word.requested();
  shot.age = since_ms(task.created_ms, now);
  shot.failed_unjoined = failed;
  if (wait) {
    shot.waiting_for = wait->ops->what;
    shot.waiting = std::min(since_ms(wait->since_ms, now), shot.age);
  } else if (task.tier == TaskTier::Blocking && shot.steps == 0) {
    shot.waiting_for = "a thread of the blocking pool";
    shot.waiting = shot.age;
  } else if (task.tier == TaskTier::Blocking && !failed) {
    shot.waiting_for = "its function on the blocking pool";
    shot.waiting = shot.age;
  }
  return shot;
}

/// A task that waits, to be looked at when no lock is held: whose it is in the snapshot, and which of its waits.
struct ToLookAt {
  std::size_t region, task;
  TaskRecord* record;
  std::uint64_t epoch;
};

AwaitSite site_of(const void* place) {
  if (place == nullptr) return {"?", "?"};
  const auto where = std::bit_cast<std::source_location>(place);
  return {name_of_function(where.function_name()), where.file_name(), where.line(), where.column()};
}

void tell(TaskSnapshot& task, const WaitSeen& seen) {
  const WaitSubject& subject = seen.subject;
  task.waiting_for = seen.what;
  if (seen.is_region) {
    task.waiting_on = {"region", seen.region.to_string()};
  } else if (subject.kind != nullptr) {
    task.waiting_on = {subject.kind, subject.name == nullptr ? "" : subject.name};
  }
  task.holder_count = subject.holder_count;
  for (std::size_t i = 0; i < std::min<std::size_t>(subject.holder_count, subject.holders.size()); ++i)
    task.holders.push_back({subject.holders[i], {}});
  task.stack.reserve(seen.place_count);
  for (std::uint32_t i = 0; i < seen.place_count; ++i) task.stack.push_back(site_of(seen.places[i]));
  task.stack_is_cut = seen.is_cut;
}

void look_at_all(Snapshot& snapshot, const std::vector<ToLookAt>& waiting) {
  bool has_holders = false;
  for (const ToLookAt& one : waiting) {
    const std::optional<WaitSeen> seen = look_at_wait(*one.record, one.epoch);
    if (!seen) continue;  // it has gone on
    tell(snapshot.regions[one.region].tasks[one.task], *seen);
    has_holders = has_holders || seen->subject.holder_count > 0;
  }
  if (!has_holders) return;
  std::map<TaskId, const std::string*> paths;
  for (const RegionSnapshot& region : snapshot.regions) {
    for (const TaskSnapshot& task : region.tasks) paths.emplace(task.id, &task.path);
  }
  for (const ToLookAt& one : waiting) {
    for (HolderSnapshot& holder : snapshot.regions[one.region].tasks[one.task].holders) {
      if (const auto known = paths.find(holder.id); known != paths.end()) holder.path = *known->second;
    }
  }
}

}  // namespace

RegionState state_of(RegionWord word, bool body_ended) noexcept {
  switch (word.gate()) {
    case Gate::Open: return RegionState::Open;
    case Gate::Closing: return body_ended ? RegionState::Draining : RegionState::Closing;
    case Gate::Finalizing: return RegionState::Finalizing;
    case Gate::Closed: break;
  }
  return RegionState::Closed;
}

Snapshot take_snapshot(const std::vector<RegionRef>& roots, Time now) {
  struct Place {
    RegionRef region;
    std::uint32_t depth;
  };
  Snapshot snapshot;
  std::vector<ToLookAt> waiting;
  std::vector<Place> stack;
  for (auto root = roots.rbegin(); root != roots.rend(); ++root) stack.push_back({*root, 0});
  while (!stack.empty()) {
    Place place = stack.back();
    stack.pop_back();
    RegionRecord& region = *place.region.record;
    RegionSnapshot shot;
    {
      std::scoped_lock hold(region.lock);
      if (!place.region.alive()) continue;
      RegionWord word = region.word.load();
      shot.id = place.region.id();
      shot.path = region.path.to_string();
      shot.state = state_of(word, region.body_ended);
      shot.cancel_reason = region.reason;
      shot.age = now - region.created_at;
      shot.live = word.live();
      shot.owed = region.owed.load();
      shot.finalizers = region.finalizer_count;
      shot.obligations = region.obligation_count;
      shot.depth = place.depth;
      for (const TaskRecord* task = first_member(region.failed); task != nullptr; task = next_member(*task)) {
        shot.tasks.push_back(view(*task, std::nullopt, now, true));
      }
      std::vector<Place> children;
      for (RegionRecord* child = region.children; child != nullptr; child = child->sibling_next) {
        stack.push_back({{child, child->word.load().generation()}, place.depth + 1});
      }
    }
    for (RegionShard& shard : region.shards) {
      std::scoped_lock hold(shard.lock);
      if (region.word.load().generation() != place.region.generation) break;
      for (TaskRecord* task = first_member(shard.members); task != nullptr; task = next_member(*task)) {
        const std::optional<WaitGlance> wait = glance_at_wait(*task);
        shot.tasks.push_back(view(*task, wait, now, false));
        if (wait) waiting.push_back({snapshot.regions.size(), shot.tasks.size() - 1, task, wait->epoch});
      }
      shot.live -= std::min(shot.live, shard.spare);
    }
    snapshot.regions.push_back(std::move(shot));
  }
  look_at_all(snapshot, waiting);
  return snapshot;
}

}  // namespace detail
}  // namespace quiesce
