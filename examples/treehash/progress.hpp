#pragma once
// The bar on a terminal, and how amounts are written.
#include <quiesce/cx.hpp>
#include <quiesce/task.hpp>

#include <cstdint>
#include <memory>
#include <string>

#include "run_state.hpp"

namespace treehash {

/// Draws the bar some times a second until it is cancelled.
quiesce::Task<> show_progress(quiesce::Cx cx, std::shared_ptr<RunState> run);

/// "314.2 MB", in powers of 1000.
std::string format_bytes(double bytes);

}  // namespace treehash
