#include "quiesce/detail/kernel/snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <ostream>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/wait.hpp"

namespace quiesce {
namespace {

std::string milliseconds(Duration duration) {
  return fmt::format("{:.3f}ms", static_cast<double>(duration.count()) / 1e6);
}

/// A JSON string literal (RFC 8259, section 7).
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

std::string describe(const TaskSnapshot& task) {
  std::string line =
      fmt::format("{} {} ({}) {}", task.role, task.path, to_string(task.id), to_string(task.phase));
  if (task.failed_unjoined) line += ", failed and not joined";
  if (!task.waiting_for.empty())
    line += fmt::format(", waits for {} since {}", task.waiting_for, milliseconds(task.waiting));
  line += fmt::format(", age {}, {} steps", milliseconds(task.age), task.steps);
  return line;
}

std::string describe(const RegionSnapshot& region) {
  std::string line =
      fmt::format("region {} ({}) {}", region.path, to_string(region.id), to_string(region.state));
  line += fmt::format(", live {}, owed {}, finalizers {}, obligations {}, age {}", region.live, region.owed,
                      region.finalizers, region.obligations, milliseconds(region.age));
  if (region.cancel_reason) line += ", cancelled: " + to_string(*region.cancel_reason);
  return line;
}

std::string json_of(const TaskSnapshot& task) {
  return fmt::format(
      R"({{"id":{},"path":{},"role":{},"phase":{},"cancel_requested":{},"waiting_for":{},"waiting_ns":{},"age_ns":{},"steps":{},"failed_unjoined":{}}})",
      quoted(to_string(task.id)), quoted(task.path), quoted(task.role), quoted(to_string(task.phase)),
      task.cancel_requested, quoted(task.waiting_for), task.waiting.count(), task.age.count(), task.steps,
      task.failed_unjoined);
}

std::string json_of(const RegionSnapshot& region) {
  std::string out = fmt::format(
      R"({{"id":{},"path":{},"state":{},"depth":{},"live":{},"owed":{},"finalizers":{},"obligations":{},"age_ns":{},"cancel_reason":{},"tasks":[)",
      quoted(to_string(region.id)), quoted(region.path), quoted(to_string(region.state)), region.depth,
      region.live, region.owed, region.finalizers, region.obligations, region.age.count(),
      region.cancel_reason ? quoted(to_string(*region.cancel_reason)) : "null");
  for (std::size_t i = 0; i < region.tasks.size(); ++i) {
    if (i != 0) out += ',';
    out += json_of(region.tasks[i]);
  }
  return out + "]}";
}

}  // namespace

const char* to_string(RegionState state) noexcept {
  switch (state) {
    case RegionState::Open: return "Open";
    case RegionState::Closing: return "Closing";
    case RegionState::Draining: return "Draining";
    case RegionState::Finalizing: return "Finalizing";
    case RegionState::Closed: return "Closed";
  }
  return "unknown";
}
const char* to_string(TaskPhase phase) noexcept {
  switch (phase) {
    case TaskPhase::Created: return "Created";
    case TaskPhase::Running: return "Running";
    case TaskPhase::CancelRequested: return "CancelRequested";
    case TaskPhase::Cancelling: return "Cancelling";
    case TaskPhase::Finalizing: return "Finalizing";
    case TaskPhase::Completed: return "Completed";
  }
  return "unknown";
}
std::ostream& operator<<(std::ostream& out, RegionState state) { return out << to_string(state); }
std::ostream& operator<<(std::ostream& out, TaskPhase phase) { return out << to_string(phase); }

std::size_t Snapshot::task_count() const {
  std::size_t count = 0;
  for (const RegionSnapshot& region : regions) count += region.tasks.size();
  return count;
}

std::string Snapshot::text() const {
  std::string out;
  for (const RegionSnapshot& region : regions) {
    const std::string indent(2 * region.depth, ' ');
    out += indent + describe(region) + "\n";
    for (const TaskSnapshot& task : region.tasks) out += indent + "  " + describe(task) + "\n";
  }
  return out;
}

std::string Snapshot::json() const {
  std::string out = "{\"regions\":[";
  for (std::size_t i = 0; i < regions.size(); ++i) {
    if (i != 0) out += ',';
    out += json_of(regions[i]);
  }
  return out + "]}";
}

std::ostream& operator<<(std::ostream& out, const Snapshot& snapshot) { return out << snapshot.text(); }

namespace detail {
namespace {

const char* role_of(const TaskRecord& task) {
  if (task.role == TaskRole::Body) return "body";
  if (task.role == TaskRole::Finalizer) return "finalizer";
  if (task.tier == TaskTier::Local) return "local";
  return task.tier == TaskTier::Blocking ? "blocking" : "task";
}

/// Under the shard's (or, when failed, the region's) lock, which keeps the record in this life.
TaskSnapshot view(const TaskRecord& task, Time now, bool failed) {
  TaskSnapshot shot;
  TaskWord word = task.word.load();
  shot.id = task.id();
  shot.path = task.path.to_string();
  shot.role = role_of(task);
  shot.steps = task.steps.load(std::memory_order_relaxed);
  shot.phase = phase_of(word, shot.steps);
  shot.cancel_requested = word.requested();
  shot.age = now - task.created_at;
  shot.failed_unjoined = failed;
  const LeafOps* wait = task.wait_ops.load(std::memory_order_relaxed);
  if (word.run() == RunState::Idle && wait != nullptr) {
    shot.waiting_for = wait->what;
    shot.waiting =
        now - Time::from_nanos(std::int64_t{task.wait_since_ms.load(std::memory_order_relaxed)} * 1'000'000);
  } else if (task.tier == TaskTier::Blocking && shot.steps == 0) {
    shot.waiting_for = "a thread of the blocking pool";
    shot.waiting = shot.age;
  } else if (task.tier == TaskTier::Blocking && !failed) {
    shot.waiting_for = "its function on the blocking pool";
    shot.waiting = shot.age;
  }
  return shot;
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
        shot.tasks.push_back(view(*task, now, true));
      }
      std::vector<Place> children;
      for (RegionRecord* child = region.children; child != nullptr; child = child->sibling_next) {
        stack.push_back({{child, child->word.load().generation()}, place.depth + 1});
      }
    }
    for (RegionShard& shard : region.shards) {
      std::scoped_lock hold(shard.lock);
      if (region.word.load().generation() != place.region.generation) break;
      for (const TaskRecord* task = first_member(shard.members); task != nullptr; task = next_member(*task)) {
        shot.tasks.push_back(view(*task, now, false));
      }
      shot.live -= std::min(shot.live, shard.spare);
    }
    snapshot.regions.push_back(std::move(shot));
  }
  return snapshot;
}

void Kernel::warn_slow_close(RegionRef region) noexcept {
  if (config_.log == nullptr) return;
  constexpr std::size_t lines_max = 16;
  Snapshot snapshot = take_snapshot({region}, executor_->now());
  std::size_t told = 0;
  for (const RegionSnapshot& part : snapshot.regions) {
    for (const TaskSnapshot& task : part.tasks) {
      if (task.failed_unjoined || ++told > lines_max) continue;
      const std::string age = milliseconds(task.age);
      const std::string_view wait =
          task.waiting_for.empty() ? std::string_view("nothing: it runs or is queued") : task.waiting_for;
      const LogField fields[] = {{"region", snapshot.regions.front().path},
                                 {"task", task.path},
                                 {"task_region", part.path},
                                 {"waits_for", wait},
                                 {"age", age}};
      config_.log->write(LogLevel::Warn, "the close of a region takes long", fields);
      report_metric(metrics(), [&](MetricsProvider& to) { to.task_stuck_detected(task.id, task.age); });
    }
  }
}

}  // namespace detail
}  // namespace quiesce
