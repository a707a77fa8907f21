#pragma once
#include <atomic>

namespace quiesce::detail {

/// The process has made a run of an exact kernel, or makes one: what is inline asks this before it asks, out of line, whether the
/// calling thread makes it now (thread_context.hpp).
extern constinit std::atomic<bool> exact_runs;

}  // namespace quiesce::detail
