#include "dice.hpp"

#include <algorithm>

namespace quiesce::lab::detail {

bool Dice::strike(const Fault& fault) const {
  if (!fault.at.empty() && std::ranges::find(fault.at, engine_.step_number()) != fault.at.end()) return true;
  if (fault.one_in <= 1) return fault.one_in == 1;
  return engine_.draw(fault.one_in) == fault.one_in - 1;
}

Duration Dice::part_of(Duration most) const { return most / (4 >> engine_.draw(3)); }

Chaos with_two_ways(Chaos chaos) {
  for (Fault* fault : {&chaos.delay, &chaos.spurious_wake, &chaos.spent_budget, &chaos.refused_spawn,
                       &chaos.refused_allocation, &chaos.panic, &chaos.cancel, &chaos.clock_jump})
    fault->one_in = std::min(fault->one_in, 2u);
  return chaos;
}

}  // namespace quiesce::lab::detail
