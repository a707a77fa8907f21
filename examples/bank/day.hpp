#pragma once
// A day of the bank, for real: many customers on all cores, an auditor, and closing time in the middle of it all.
#include <chrono>

#include "books.hpp"

namespace bank {

/// What happened, as text on stdout. True when every audit found the books even.
bool run_day(std::chrono::milliseconds length);

}  // namespace bank
