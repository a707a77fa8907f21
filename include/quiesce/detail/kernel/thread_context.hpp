#pragma once
// What belongs to the step that runs on a thread. Only for functions that are no coroutines and are not inlined into one: the address
// of a thread-local must not live over a suspension (docs/compilers.md).
#include <cstdint>

#include "quiesce/detail/kernel/exact_runs.hpp"
#include "quiesce/detail/kernel/executor.hpp"

namespace quiesce::detail {

struct TaskRecord;
class Worker;
class ForkLane;

/// One a thread; the lab, which switches between steps in the middle, keeps one for each.
struct ThreadContext {
  TaskRecord* running = nullptr;       // the task that is being stepped here
  const Executor* executor = nullptr;  // whose worker this thread is
  std::uint32_t worker = Executor::no_worker;
  Worker* scheduler = nullptr;  // the same, where it has lanes (exec/worker.hpp)
  ForkLane* forks = nullptr;    // where its steps offer branches (fork.hpp); set wherever tasks are stepped
  std::uint32_t unwinding_depth = 0;  // frames of failed coroutines that are being destroyed (O4)
  bool frame_survived = false;        // a destructor threw, and its frame waits to be destroyed again
  std::uint8_t locker = 0;            // its number with locks, one in the process (kept_lock.hpp), or 0
  std::int64_t contended_ns = 0;      // how long it has waited for short locks (exec/worker.hpp, 8)
};
extern constinit thread_local ThreadContext thread_context;
/// One more than the number of that executor's worker on this thread; 0 elsewhere.
inline std::uint32_t worker_of(const Executor& executor) noexcept {
  const ThreadContext& here = thread_context;
  return here.executor == &executor ? here.worker + 1 : 0;
}
/// `thread_context.locker`. A function, so that no coroutine names a thread_local.
std::uint8_t this_locker() noexcept;
/// A number that no other thread of the process has, or 0 where there is none left. Whoever took it before has given it back, and what
/// it did until then has happened before.
std::uint8_t take_locker() noexcept;
void give_back_locker(std::uint8_t locker) noexcept;
/// Whose run this thread makes, where its kernel is exact: for who comes too late to a task, and must not look at its kernel.
extern constinit thread_local Executor* exact_executor;

}  // namespace quiesce::detail
