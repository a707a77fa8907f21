#pragma once
// Counting ahead of the work, for the bar's sake: the work itself reads a directory only when its turn has come.
#include <quiesce/cx.hpp>
#include <quiesce/outcome.hpp>

#include <memory>

#include "run_state.hpp"

namespace treehash {

/// A job of the blocking pool: puts the number of files and bytes below the options' directories into the run's progress.
/// What cannot be read is left for the work to tell.
quiesce::Outcome<> take_census(quiesce::Cx cx, std::shared_ptr<RunState> run);

}  // namespace treehash
