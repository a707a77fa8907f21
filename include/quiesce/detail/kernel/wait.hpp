#pragma once
// The one leaf wait of a task, as the step loop sees it.
#include <cstdint>
#include <span>

#include "quiesce/detail/kernel/task_word.hpp"
#include "quiesce/detail/kernel/wait_node.hpp"

namespace quiesce::detail {

struct TaskRecord;

/// What the step loop does with a task whose wait has ended.
enum class LeafNext : std::uint8_t {
  Resume,
  EndCancelled,  // with the task's reason
  Ended,         // the operation has put an outcome into the promise
  Again          // the operation has armed another wait: the coroutine stays suspended
};

/// The operation behind a wait. `data` is the awaiter, in the frame of the coroutine that waits, or a word that stands for it (sync/wait.hpp).
struct LeafOps {
  /// Detaches what did not win (a timer, a waiter's place), under that primitive's lock. `before` is the word at the disarm.
  LeafNext (*finish)(TaskRecord& task, void* data, TaskWord before) noexcept;
  const char* what;       // for snapshots: "sleep", "join", ...
  bool escalates = true;  // false: a foreign await, a region await; never cut short (C10, R6)
  /// Of a parked wait (task_word.hpp, 2): the task whose end ends it, to look at once the waiter is asleep.
  const TaskRecord* (*looks_at)(void* data) noexcept = nullptr;
  /// Of a wait for any of several tasks: those; for reports.
  std::span<TaskRecord* const> (*branches)(void* data) noexcept = nullptr;
  /// Of a wait for a primitive: which, and who keeps the task waiting. Takes the primitive's lock; while the task cannot go on.
  WaitSubject (*subject)(void* data) noexcept = nullptr;
  /// Its node is in the promise of the leaf, so the place of its await is in the record (coro/promise.hpp, 7).
  bool keeps_place = false;
};

}  // namespace quiesce::detail
