#pragma once
// What the lab may make go wrong in a run: things that a program has to bear.
//
//   lab::explore({.max_runs = 10'000, .chaos = {.refused_spawn = {.one_in = 50}, .panic = {.at = {17}}}}, body);
//
// Each is off by default. Which places are struck is part of the schedule: it is minimised with it, and a token replays it.
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "quiesce/time.hpp"

namespace quiesce::lab {

/// By chance, at exactly these steps, or both.
struct Fault {
  std::uint32_t one_in =
      0;  // at one place in so many; 0: never by chance. exhaustive() and dpor() try each place both ways
  std::vector<std::uint64_t> at =
      {};  // at every place in the steps with these numbers, as a report's schedule counts them
  friend bool operator==(const Fault&, const Fault&) = default;
};

struct Chaos {
  Fault delay = {};          // a task that has come to be able to go on is kept back for up to `delay_max`
  Fault spurious_wake = {};  // a wait for a lab::condition ends without a notification
  Fault spent_budget = {};   // at a task's step its region is cancelled, as by a spent poll quota (PollQuota)
  Fault refused_spawn = {};  // a spawn or the opening of a child region is refused: RegionAtCapacity
  Fault refused_allocation =
      {};             // there is no memory for the record of a task, child region or obligation: std::bad_alloc
  Fault panic = {};   // where a task goes on, its innermost coroutine throws ChaosPanic instead
  Fault cancel = {};  // a request (User) comes to a task at a cancel point
  Fault clock_jump = {};  // after a task's step time goes on by up to `jump_max`, although something can move
  Duration delay_max = std::chrono::seconds(1);
  Duration jump_max = std::chrono::seconds(1);
  friend bool operator==(const Chaos&, const Chaos&) = default;
};

/// A body that ends by one of these has not failed.
struct ChaosPanic : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace quiesce::lab
