#pragma once
// Many runs: what explorations of threads and of coroutines have in common.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "quiesce/detail/lab/engine.hpp"
#include "quiesce/detail/lab/token.hpp"
#include "quiesce/lab/report.hpp"

namespace quiesce::lab::detail {

/// Makes one run of the body on the engine as the strategy says, with Engine::run. The strategy's run has been
/// begun.
using OneRun = std::function<RunEnd(Engine&, Strategy&)>;

/// Runs until the strategy has no more, `max_runs` are made, or one fails. A failing run is made again by its
/// choices, to write its schedule down; one that then ends differently is a failure of its own, and so is one
/// of a sample (one in 64) that is made twice.
Report drive(const Options& options, const OneRun& one_run);
/// The same with a strategy of the caller's, and until that much real time has passed.
Report drive(const Options& options, std::unique_ptr<Strategy> strategy, const OneRun& one_run,
             std::chrono::nanoseconds time_max = std::chrono::nanoseconds::max());
std::unique_ptr<Strategy> make_strategy(const StrategySpec& spec, std::uint64_t seed);

/// Makes the run of a token again, once. A token that cannot be read, or whose choices the run cannot follow to
/// their end, is a failure: divergence.
Report drive_replay(std::string_view token, const Options& options, const OneRun& one_run);

}  // namespace quiesce::lab::detail
