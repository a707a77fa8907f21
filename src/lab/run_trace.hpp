#pragma once
// The trace of a run, out of what its engine kept.
#include "quiesce/detail/lab/engine.hpp"
#include "quiesce/lab/trace.hpp"

namespace quiesce::lab::detail {

/// Adds to `known` what the engine knows of its last run, whose trace it kept: every step with its place, who was made, woken and
/// ended, and the passing of time. Agents and objects that `known` has actors of keep those; the others get one, agents as
/// threads. The events are then in the order of their steps: in each first what nobody made (time), then the step itself, then what
/// came of it, `known`'s events before the engine's.
RunTrace make_run_trace(const Engine& engine, RunTrace known = {});

}  // namespace quiesce::lab::detail
