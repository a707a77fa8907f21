#pragma once
// For the tests of the oracles: while one of these lives, runs of this thread are made by a kernel with that defect.
#include <utility>

#include "quiesce/detail/kernel/event.hpp"

namespace quiesce::lab::detail {

inline thread_local quiesce::detail::Defect planted_defect = quiesce::detail::Defect::None;

class Planted {
 public:
  explicit Planted(quiesce::detail::Defect defect) { planted_defect = defect; }
  ~Planted() { planted_defect = quiesce::detail::Defect::None; }
  Planted(const Planted&) = delete;
  Planted& operator=(const Planted&) = delete;
};

}  // namespace quiesce::lab::detail
