#pragma once
// Whether a fault strikes here (lab/chaos.hpp): a draw of the strategy's, so that it is in the token. What is drawn without any
// cause is 0, nothing: a shortened schedule has the fewer faults.
#include "quiesce/detail/lab/engine.hpp"
#include "quiesce/lab/chaos.hpp"

namespace quiesce::lab::detail {

class Dice {
 public:
  Dice(Engine& engine, const Chaos& chaos) : engine_(engine), chaos_(chaos) {}

  bool strike(const Fault& fault) const;
  /// A quarter, half or all of it.
  Duration part_of(Duration most) const;
  const Chaos& chaos() const { return chaos_; }

 private:
  Engine& engine_;
  const Chaos& chaos_;
};

/// Where every outcome of a draw is tried two are enough.
Chaos with_two_ways(Chaos chaos);

}  // namespace quiesce::lab::detail
