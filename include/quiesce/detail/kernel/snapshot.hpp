#pragma once
// A picture of a region tree at one moment, and its text and JSON.
//
// Taken region by region under each one's own locks, without stopping workers: every line is true at some moment while it was
// taken, the whole is not one instant. Cost: linear in what is alive.
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "quiesce/cancel.hpp"
#include "quiesce/detail/kernel/region_word.hpp"
#include "quiesce/detail/kernel/task_word.hpp"
#include "quiesce/ids.hpp"
#include "quiesce/time.hpp"

namespace quiesce {

/// One live task, or a failed one that nobody has joined.
struct TaskSnapshot {
  TaskId id;
  std::string path;
  std::string role;  // "task", "body", "finalizer", "blocking", "local"
  TaskPhase phase = TaskPhase::Created;
  bool cancel_requested = false;
  std::string waiting_for;  // "sleep", "join", …; "" when it runs, is queued, or has failed
  Duration waiting{};       // for how long
  Duration age{};
  std::uint32_t steps = 0;
  bool failed_unjoined = false;
};

/// One live region and what is below it.
struct RegionSnapshot {
  RegionId id;
  std::string path;
  RegionState state = RegionState::Open;
  std::optional<CancelReason> cancel_reason;
  Duration age{};
  std::uint32_t live = 0, owed = 0, finalizers = 0, obligations = 0;
  std::uint32_t depth = 0;  // below its root
  std::vector<TaskSnapshot> tasks;
};

/// A forest in depth-first order; `depth` gives the shape.
struct Snapshot {
  std::vector<RegionSnapshot> regions;

  std::size_t task_count() const;
  /// An indented tree, one line a region or task.
  std::string text() const;
  /// One object: {"regions": [{"id", "path", "state", …, "tasks": […]}]}.
  std::string json() const;
};
std::ostream& operator<<(std::ostream& out, const Snapshot& snapshot);

const char* to_string(RegionState state) noexcept;
const char* to_string(TaskPhase phase) noexcept;
std::ostream& operator<<(std::ostream& out, RegionState state);
std::ostream& operator<<(std::ostream& out, TaskPhase phase);

namespace detail {
class Kernel;
struct RegionRef;
RegionState state_of(RegionWord word, bool body_ended) noexcept;
Snapshot take_snapshot(const std::vector<RegionRef>& roots, Time now);
}  // namespace detail
}  // namespace quiesce
