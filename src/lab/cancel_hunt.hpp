#pragma once
// Requests in a few places of each run, while another strategy says who moves.
#include <cstdint>
#include <memory>

#include "quiesce/detail/lab/strategy.hpp"

namespace quiesce::lab::detail {

/// Two-way draws are places where a request may land: in each run, but for the first, one to three of them are chosen among as many as
/// the runs so far have had, the same way as pct chooses its change points. All else is `schedule`'s.
std::unique_ptr<Strategy> make_cancel_hunt(std::unique_ptr<Strategy> schedule, std::uint64_t seed);

}  // namespace quiesce::lab::detail
