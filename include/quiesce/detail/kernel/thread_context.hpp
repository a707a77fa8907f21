#pragma once
// What the library keeps for each thread. Only for functions that are no coroutines and are not inlined into one: the address of a
// thread-local must not live over a suspension (docs/compilers.md).
#include <cstdint>

#include "quiesce/detail/kernel/executor.hpp"

namespace quiesce::detail {

struct TaskRecord;

struct ThreadContext {
  TaskRecord* running = nullptr;       // the task that is being stepped here
  const Executor* executor = nullptr;  // whose worker this thread is
  std::uint32_t worker = Executor::no_worker;
};
extern constinit thread_local ThreadContext thread_context;

}  // namespace quiesce::detail
