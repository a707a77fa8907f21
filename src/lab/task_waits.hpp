#pragma once
// Who waits for what among the tasks of a run, for the message of a deadlock.
#include <string>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/lab/engine.hpp"

namespace quiesce::lab::detail {

/// "in a cycle task 0.1 waits for the end of task 0.2, task 0.2 waits for the end of task 0.1; besides, task 0.3 waits for sleep". A
/// task that awaits a region waits for every task in it, one that awaits any of several for each of them.
std::string describe_waits(quiesce::detail::Kernel& kernel, const Engine& engine);

}  // namespace quiesce::lab::detail
