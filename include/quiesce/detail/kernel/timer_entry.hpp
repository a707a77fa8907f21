#pragma once
#include <cstdint>

#include "quiesce/detail/kernel/wait_node.hpp"
#include "quiesce/time.hpp"

namespace quiesce::detail {

/// An intrusive timer. Whoever owns the entry sets `deadline` and `fire`, then arms it with the executor; the other fields
/// belong to the executor. `fire` runs under the executor's timer lock: it claims and schedules, and runs no user code.
struct TimerEntry {
  TimerEntry* prev = nullptr;
  TimerEntry* next = nullptr;
  Time deadline;
  void (*fire)(TimerEntry&) noexcept = nullptr;
  std::uint64_t sequence = 0;
  std::uint16_t slot = 0;
  std::uint16_t home = 0;  // whose wheel it is in
  bool linked = false;
};

struct TaskRecord;

/// A timer that ends a wait: in the frame of the coroutine that waits, until it is disarmed.
struct WakeTimer : TimerEntry {
  Waiter waiter;
  /// The task's wait is armed, and is claimed at that time.
  void arm(TaskRecord& task, Time until) noexcept;
};

}  // namespace quiesce::detail
