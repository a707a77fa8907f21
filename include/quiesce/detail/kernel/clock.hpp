#pragma once
// The clock, for those who need to know only when something is to be over.
#include "quiesce/time.hpp"

namespace quiesce::detail {

class Kernel;

/// Now, or up to 33 us later, for what is to begin to count now. A look at the clock is half of what arming a timer costs; few
/// instructions after another the cycles that have passed since are a bound. So it makes nothing early, and late by less than a tick of
/// the wheel. Workers only look so, since their threads live no longer than the clock; everybody else, and an exact kernel, at the clock
/// itself.
Time now_at_the_latest(const Kernel& kernel) noexcept;

}  // namespace quiesce::detail
