#pragma once
// A look at what a waiting task waits for: its chain of awaiting coroutines, and whom its operation names (task_word.hpp, 6).
//
// While a task is looked at its next step waits, so a look copies a few dozen words, takes no memory, and resolves nothing: names and
// places are literals of the program.
#include <array>
#include <cstdint>
#include <optional>

#include "quiesce/detail/kernel/records.hpp"
#include "quiesce/detail/kernel/wait_node.hpp"
#include "quiesce/logical.hpp"

namespace quiesce::detail {

struct WaitSeen {
  static constexpr std::uint32_t places_max = 64;

  const char* what;     // "sleep", "join", …
  WaitSubject subject;  // for a join: the tasks, as holders
  LogicalPath region;   // that is to close; empty: it waits for something else
  bool is_region = false;
  std::array<const void*, places_max> places;  // of the awaits, innermost first: words of std::source_location
  std::uint32_t place_count = 0;
  bool is_cut = false;  // there are more
};

struct WaitGlance {
  const LeafOps* ops;
  std::uint32_t since_ms;
  std::uint64_t epoch;
};
/// A short look at the wait that the task is in, if it is in one. Under a lock that keeps the record in this life.
std::optional<WaitGlance> glance_at_wait(TaskRecord& task) noexcept;

/// Looks at the wait of that epoch. None: it is over by now. Any thread, with no lock that a primitive's may be taken under; the record
/// may be in any life.
std::optional<WaitSeen> look_at_wait(TaskRecord& task, std::uint64_t epoch) noexcept;

}  // namespace quiesce::detail
