#pragma once
// Hashing files, on the blocking pool.
#include <quiesce/cx.hpp>
#include <quiesce/outcome.hpp>

#include <memory>

#include "listing.hpp"
#include "run_state.hpp"

namespace treehash {

/// A job of the blocking pool: hashes the files of a batch. Those that are complete when it ends are in `run`, however it ends:
/// Err only when failing fast; Cancelled when asked to stop, at most a buffer's time later.
quiesce::Outcome<> hash_batch(quiesce::Cx cx, std::shared_ptr<RunState> run, Batch batch,
                              std::shared_ptr<const BatchedListing> listing);

}  // namespace treehash
