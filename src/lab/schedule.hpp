#pragma once
// The table of a run's steps that a report shows.
#include <string>

#include "quiesce/detail/lab/engine.hpp"

namespace quiesce::lab::detail {

/// Of the engine's last run: step, virtual time if there is any, who, what, where. The last line says what kind
/// of failure came of it.
std::string schedule_text(const Engine& engine, const Failure& failure);

}  // namespace quiesce::lab::detail
