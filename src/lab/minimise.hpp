#pragma once
// A shorter script for the same failure.
#include <cstdint>
#include <functional>
#include <vector>

#include "quiesce/detail/lab/strategy.hpp"

namespace quiesce::lab::detail {

/// A script is a list of choices, some of which may be `by_default`: whoever moved last goes on if it can, else the least; a draw gives
/// 0. What comes after the list is by default too, and so is a choice that is not possible.
constexpr std::uint32_t by_default = ~std::uint32_t{0};
std::unique_ptr<Strategy> make_lenient(std::vector<std::uint32_t> script);

/// Delta debugging (Zeller, Hildebrandt: Simplifying and isolating failure-inducing input, TSE 2002) towards choices by default, which
/// are those without preemptions: first the end, then smaller and smaller parts. `fails` makes a run; it is asked at most `runs_max` times.
std::vector<std::uint32_t> minimise(std::vector<std::uint32_t> script,
                                    const std::function<bool(const std::vector<std::uint32_t>&)>& fails,
                                    std::uint64_t runs_max);

}  // namespace quiesce::lab::detail
