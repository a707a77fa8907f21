#pragma once
// The lab behind a Stepper: the engine's strategy chooses, the oracles watch.
#include <memory>

#include "quiesce/detail/testing/stepper_guide.hpp"

namespace quiesce::semantics::in_lab {

/// For the Steppers of the current run (run.hpp).
std::unique_ptr<detail::StepperGuide> make_lab_guide();

}  // namespace quiesce::semantics::in_lab
