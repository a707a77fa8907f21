#include "quiesce/detail/kernel/snapshot.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <new>
#include <source_location>
#include <utility>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/look.hpp"
#include "quiesce/detail/kernel/wait.hpp"

namespace quiesce {
namespace detail {
namespace {

/// What is copied of a task while a lock keeps its record in this life: nothing that allocates.
struct Glimpse {
  TaskRecord* record;
  TaskId id;
  LogicalPath path;
  TaskWord word;
  std::optional<WaitGlance> wait;
  std::uint32_t steps, created_ms;
  TaskTier tier;
  TaskRole role;

  explicit Glimpse(TaskRecord& task) noexcept
      : record(&task),
        id(task.id()),
        path(task.path),
        word(task.word.load()),
        wait(glance_at_wait(task)),
        steps(task.steps.load(std::memory_order_relaxed)),
        created_ms(task.created_ms),
        tier(task.tier),
        role(task.role) {}
};

const char* role_of(const Glimpse& task) {
  if (task.role == TaskRole::Body) return "body";
  if (task.role == TaskRole::Finalizer) return "finalizer";
  if (task.tier == TaskTier::Local) return "local";
  return task.tier == TaskTier::Blocking ? "blocking" : "task";
}

/// Since a coarse time of this kernel's clock, which a record keeps 32 bits of: 49 days. What was born while the snapshot is taken is later
/// than `now`, by less than an hour, and has no age.
Duration since_ms(std::uint32_t then, Time now) {
  constexpr std::uint32_t hour = 3'600'000;
  const std::uint32_t elapsed = static_cast<std::uint32_t>(now.nanos() / 1'000'000) - then;
  return elapsed > ~hour ? Duration::zero() : Duration(std::int64_t{elapsed} * 1'000'000);
}

TaskSnapshot view(const Glimpse& task, Time now, bool failed) {
  TaskSnapshot shot;
  shot.id = task.id;
  shot.path = task.path.to_string();
  shot.role = role_of(task);
  shot.steps = task.steps;
  shot.phase = phase_of(task.word, task.steps);
  shot.cancel_requested = task.word.requested();
  shot.age = since_ms(task.created_ms, now);
  shot.failed_unjoined = failed;
  if (task.wait) {
    shot.waiting_for = task.wait->ops->what;
    shot.waiting = std::min(since_ms(task.wait->since_ms, now), shot.age);
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

/// So many tasks are looked at before their shard's lock is let go, for those who spawn and end there.
constexpr std::size_t slice_max = 64;

/// A place in a shard's list that lasts while the lock is let go: a record that is no task. Its word is Free, so that whoever walks the
/// list meanwhile, a canceller or another snapshot, finds nothing to do there.
class Bookmark {
 public:
  Bookmark() : record_(TaskSlab::allocate()) {
    if (record_ == nullptr) throw std::bad_alloc();
  }
  ~Bookmark() {
    if (shard_ != nullptr) {
      {
        std::scoped_lock hold(shard_->lock);
        (void)take_out();
      }
      settle();
    }
    TaskSlab::free(record_);
  }
  Bookmark(const Bookmark&) = delete;
  Bookmark& operator=(const Bookmark&) = delete;

  // Under the shard's lock.
  static bool is_one(const TaskRecord& member) { return member.word.load().run() == RunState::Free; }
  void put_before(TaskRecord& member, RegionRecord& region, RegionShard& shard) noexcept {
    shard_ = &shard;
    record_->region = &region;
    link_before(shard.members, *record_, member);
  }
  /// Gives what stands behind it. `settle` comes next, without the lock.
  [[nodiscard]] TaskRecord* take_out() noexcept {
    TaskRecord* behind = next_member(*record_);
    RegionShard& shard = *std::exchange(shard_, nullptr);
    unlink(shard.members, *record_);
    spares_ = Kernel::last_spares(*record_->region, shard);
    return behind;
  }
  void settle() noexcept {
    if (const std::uint32_t left = std::exchange(spares_, 0))
      record_->kernel().release_live(*record_->region, left);
  }

 private:
  TaskRecord* record_;
  RegionShard* shard_ = nullptr;  // where it is
  std::uint32_t spares_ = 0;      // counts of its region that it was left with
};

class Looker {
 public:
  explicit Looker(Time now) : now_(now) { slice_.reserve(slice_max); }

  /// The tasks of a shard, a slice at a time. Those that are spawned meanwhile stand before the place that it has come to.
  void see_shard(RegionRef ref, RegionShard& shard, RegionSnapshot& shot, std::size_t region_index) {
    for (bool is_first = true, has_more = true; has_more; is_first = false) {
      bool is_gone;
      {
        std::scoped_lock hold(shard.lock);
        TaskRecord* from = is_first ? first_member(shard.members) : place_.take_out();
        is_gone = ref.record->word.load().generation() != ref.generation;
        TaskRecord* rest = is_gone ? nullptr : fill_slice(from);
        has_more = rest != nullptr;
        if (has_more) {
          place_.put_before(*rest, *ref.record, shard);
        } else if (!is_gone) {
          shot.live -= std::min(shot.live, shard.spare);
        }
      }
      place_.settle();
      if (is_gone) return;
      tell_slice(shot, region_index);
    }
  }

  const std::vector<ToLookAt>& waiting() const { return waiting_; }

 private:
  /// What is left behind the slice, or nullptr.
  TaskRecord* fill_slice(TaskRecord* member) noexcept {
    for (; member != nullptr && slice_.size() < slice_max; member = next_member(*member)) {
      if (!Bookmark::is_one(*member)) slice_.emplace_back(*member);
    }
    return member;
  }

  void tell_slice(RegionSnapshot& shot, std::size_t region_index) {
    for (const Glimpse& task : slice_) {
      shot.tasks.push_back(view(task, now_, false));
      if (task.wait) waiting_.push_back({region_index, shot.tasks.size() - 1, task.record, task.wait->epoch});
    }
    slice_.clear();
  }

  const Time now_;
  Bookmark place_;
  std::vector<Glimpse> slice_;
  std::vector<ToLookAt> waiting_;
};

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
  Looker looker(now);
  std::vector<Glimpse> failed;
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
      for (TaskRecord* task = first_member(region.failed); task != nullptr; task = next_member(*task))
        failed.emplace_back(*task);
      for (RegionRecord* child = region.children; child != nullptr; child = child->sibling_next) {
        stack.push_back({{child, child->word.load().generation()}, place.depth + 1});
      }
    }
    for (const Glimpse& task : failed) shot.tasks.push_back(view(task, now, true));
    failed.clear();
    for (RegionShard& shard : region.shards)
      looker.see_shard(place.region, shard, shot, snapshot.regions.size());
    snapshot.regions.push_back(std::move(shot));
  }
  look_at_all(snapshot, looker.waiting());
  return snapshot;
}

}  // namespace detail
}  // namespace quiesce
