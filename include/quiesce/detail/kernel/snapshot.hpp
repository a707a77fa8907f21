#pragma once
// A picture of a region tree at one moment, and its text and JSON.
//
// Taken region by region under each one's own locks, without stopping workers: every line is true at some moment while it was
// taken, the whole is not one instant. Cost: linear in what is alive. What a waiting task waits for is read while its next step is held
// back, for some hundred nanoseconds.
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quiesce/cancel.hpp"
#include "quiesce/detail/kernel/region_word.hpp"
#include "quiesce/detail/kernel/task_word.hpp"
#include "quiesce/ids.hpp"
#include "quiesce/time.hpp"

namespace quiesce {

/// Where a coroutine awaits. The texts are the program's own: valid as long as its code is loaded.
struct AwaitSite {
  std::string_view function;  // without its result and parameters: "app::fetch"
  std::string_view file;
  std::uint32_t line = 0, column = 0;
  friend bool operator==(const AwaitSite&, const AwaitSite&) = default;
};

/// A task that another waits for.
struct HolderSnapshot {
  TaskId id;
  std::string path;  // "" when it is not in the snapshot
};

/// What a task waits for, as far as that has a kind and a name.
struct WaitingOn {
  std::string
      kind;  // "mutex", "semaphore", …; "task" of a join, "region" of one that is to close; "" of a sleep and the like
  std::string name;  // the primitive's, or the region's path; "" without
};

/// One live task, or a failed one that nobody has joined.
struct TaskSnapshot {
  TaskId id;
  std::string path;
  std::string role;  // "task", "body", "finalizer", "blocking", "local"
  TaskPhase phase = TaskPhase::Created;
  bool cancel_requested = false;
  std::string waiting_for;  // "sleep", "join", …; "" when it runs, is queued, or has failed
  Duration waiting{};       // for how long
  WaitingOn waiting_on;
  std::vector<HolderSnapshot>
      holders;                     // those who keep it waiting, where that is known; of a join the joined tasks
  std::uint32_t holder_count = 0;  // may be more than are named
  std::vector<AwaitSite> stack;    // of a task that waits: its chain of awaits, innermost first
  bool stack_is_cut = false;       // there are more than the 64 that are shown
  Duration age{};
  std::uint32_t steps = 0;
  bool failed_unjoined = false;

  /// What it waits for in words, with names and holders: `a permit of a semaphore "connections", held by 0.1.4`.
  std::string wait_text() const;
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
  /// The same with asynchronous stacks. Tasks of a region that wait for the same, at the same place, are told once.
  std::string dump() const;
  /// One object: {"regions": [{"id", "path", "state", …, "tasks": [{"id", "path", …, "waiting_on", "holders", "stack"}]}]}.
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
/// The name in what a compiler calls a function, without result, template arguments' list and parameters.
std::string_view name_of_function(std::string_view text) noexcept;
Snapshot take_snapshot(const std::vector<RegionRef>& roots, Time now);
}  // namespace detail
}  // namespace quiesce
