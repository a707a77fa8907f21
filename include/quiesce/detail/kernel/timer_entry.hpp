#pragma once
#include <atomic>
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

/// Where a timer is that several threads may arm and stop.
enum class TimerState : std::uint8_t {
  Idle,    // not armed yet, or stopped
  Armed,   // it is to fire
  Firing,  // it has fired, and whoever fires it still uses it
  Fired
};

/// A timer that any thread may arm, anew too, stop and ask (quiesce::Timer), with Executor::rearm and Executor::stop only.
///  1. It belongs to one wheel, armed or not: the worker's who has armed it last. Its deadline, its state and `wheel` change under the
///     lock of that wheel only; whoever wants the lock reads `wheel`, locks, and reads `wheel` once more, for it may have moved.
///  2. Who arms it brings it to the own wheel, under both locks, so that there is no moment at which it is in neither.
///  3. `fire` runs under the lock and stores Firing first; Fired is the last that it does with the timer. So who sees Idle or Fired may
///     destroy it; who sees Armed or Firing stops it first, which takes the lock.
/// Orders: stores of the state are release, loads that decide on destroying are acquire; for all else the lock orders.
struct SharedTimerEntry : TimerEntry {
  std::atomic<TimerState> state{TimerState::Idle};
  std::atomic<std::uint16_t> wheel{0};  // of the production executor

  /// Under the lock; whoever asks for the deadline has none.
  void set_deadline(Time until) noexcept {
    std::atomic_ref<Time>(deadline).store(until, std::memory_order_relaxed);
  }
  Time deadline_now() const noexcept {
    return std::atomic_ref<Time>(const_cast<Time&>(deadline)).load(std::memory_order_relaxed);
  }
};
static_assert(sizeof(SharedTimerEntry) == 48);

struct TaskRecord;

/// A timer that ends a wait: in the frame of the coroutine that waits, until it is disarmed.
struct WakeTimer : TimerEntry {
  Waiter waiter;
  /// The task's wait is armed, and is claimed at that time.
  void arm(TaskRecord& task, Time until) noexcept;
};

}  // namespace quiesce::detail
