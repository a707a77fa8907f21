#pragma once
// What may stand behind the Steppers of a thread: it chooses what they step, and watches. The lab does so when it runs tests that were
// written for a Stepper; without a guide a Stepper takes the lanes in order, first in, first out.
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "quiesce/detail/kernel/event.hpp"
#include "quiesce/detail/kernel/executor.hpp"
#include "quiesce/time.hpp"

namespace quiesce::detail {

/// What can be stepped: a task, or a job of the blocking pool, which is named by its task.
struct StepChoice {
  const TaskRecord* task;
  Lane lane;
};

/// Of one Stepper; on its thread. What is called within a step may not throw.
class StepperGuide {
 public:
  virtual ~StepperGuide() = default;
  /// What is broken in the Stepper's kernel, to see that the guide notices.
  virtual Defect defect() const { return Defect::None; }
  /// Which is stepped next, in `run_until_idle` and `run`: an index. `choices` has at least one, as the Stepper itself would take them.
  virtual std::size_t choose(std::span<const StepChoice> choices) = 0;
  /// A step begins: the Stepper's own, or one that the test asked for.
  virtual void stepping(const TaskRecord& task) = 0;
  virtual void scheduled(const TaskRecord& task) noexcept = 0;
  virtual void happened(const KernelEvent& event) noexcept = 0;
  /// The task is at a cancel point. True: a request is made there.
  virtual bool cancels(const TaskRecord& task) noexcept = 0;
  /// Nothing can be stepped, and what was due has fired.
  virtual void idle(Time now) = 0;
  /// A `run` cannot come to its end: after this it throws.
  virtual void stuck(const std::string& why) = 0;
  /// The Stepper is destroyed and cannot end what is left: after this the process aborts.
  virtual void cannot_end(const std::string& why) = 0;
};

/// Makes the guide of each Stepper that is made on this thread; null: none.
using MakeStepperGuide = std::unique_ptr<StepperGuide> (*)();
/// Sets it for this thread and gives the one before.
MakeStepperGuide set_stepper_guides(MakeStepperGuide make) noexcept;

}  // namespace quiesce::detail
