#pragma once
#include <cstdint>

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

}  // namespace quiesce::detail
