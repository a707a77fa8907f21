#pragma once
// What belongs to the step that runs on a thread. Only for functions that are no coroutines and are not inlined into one: the address
// of a thread-local must not live over a suspension (docs/compilers.md).
#include <cstdint>

#include "quiesce/detail/kernel/executor.hpp"

namespace quiesce::detail {

struct TaskRecord;
class Worker;

/// One a thread; the lab, which switches between steps in the middle, keeps one for each.
struct ThreadContext {
  TaskRecord* running = nullptr;       // the task that is being stepped here
  Executor* executor = nullptr;        // whose worker this thread is; in the lab, also in whose run it is a thread
  std::uint32_t worker = Executor::no_worker;
  Worker* scheduler = nullptr;        // the same, where it has lanes (exec/worker.hpp)
  std::uint32_t unwinding_depth = 0;  // frames of failed coroutines that are being destroyed (O4)
  bool frame_survived = false;        // a destructor threw, and its frame waits to be destroyed again
};
extern constinit thread_local ThreadContext thread_context;

}  // namespace quiesce::detail
