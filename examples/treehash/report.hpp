#pragma once
// What is told at the end.
#include <quiesce/outcome.hpp>
#include <quiesce/runtime.hpp>

#include <chrono>
#include <string>
#include <vector>

#include "run_state.hpp"

namespace treehash {

/// The line that sha256sum prints for the file, with its escapes and the line's end.
std::string sum_line(const HashedFile& file);

/// Prints the files, sorted by path, and the digest of what was printed. False when stdout did not take it all, which was told.
bool print_sums(std::vector<HashedFile> files, bool complete, Console& console);

/// Tells how the run ended, where that is not simply its end, and what the runtime ran. True when nothing of it is left.
bool print_summary(RunState& run, const quiesce::Outcome<>& ended, const quiesce::Runtime& runtime,
                   std::chrono::nanoseconds taken);

Status status_of(const RunState& run, const quiesce::Outcome<>& ended);

}  // namespace treehash
