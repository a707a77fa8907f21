#pragma once
// The work itself, as regions: one for each directory, below that of its parent.
#include <quiesce/runtime.hpp>

#include <memory>

#include "run_state.hpp"

namespace treehash {

/// Hashes everything that the options name, and returns when nothing of it is running any more. Ok: all was walked, though some
/// may have been told as unreadable. Err: failing fast, with the first failure. Cancelled: interrupted, or past the deadline.
quiesce::Outcome<> hash_trees(quiesce::Runtime& runtime, std::shared_ptr<RunState> run);

}  // namespace treehash
