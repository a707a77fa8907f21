#pragma once
// A trace as something to look at.
#include <string>

#include "quiesce/lab/trace_file.hpp"

namespace quiesce_command {

/// One HTML page, complete in itself: the files of tools/quiesce/view with the trace's data in it.
std::string render_page(const quiesce::lab::TraceFile& file, const std::string& title);

/// Chrome trace JSON (the "Trace Event Format"): a process is a region, a thread is who moves in it, a microsecond is a step. Steps are
/// complete events (X), what happens in them instants (i), spawns, wakes, claims and cancels flows (s, f).
std::string render_perfetto(const quiesce::lab::TraceFile& file);

}  // namespace quiesce_command
