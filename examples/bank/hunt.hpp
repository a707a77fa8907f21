#pragma once
// The same tellers and transfers in the lab: a morning with four customers, in every order in which things can happen.
#include <quiesce/lab/report.hpp>

#include <string_view>

#include "teller.hpp"

namespace bank {

/// Explores until the books do not balance, or every class of schedules is seen.
quiesce::lab::Report explore_morning(Refunds refunds, quiesce::lab::StrategySpec strategy);
/// One schedule, with a cancel request at each cancel point of it.
quiesce::lab::Report cancel_morning(Refunds refunds);
/// The run of a token that exploring with Refunds::ByTeller has given.
quiesce::lab::Report replay_morning(std::string_view token);

}  // namespace bank
