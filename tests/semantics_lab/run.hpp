#pragma once
// One run of a test, on an engine.
#include <memory>
#include <vector>

#include "lab/executor.hpp"
#include "quiesce/detail/lab/drive.hpp"
#include "semantics_lab/registry.hpp"

namespace quiesce::semantics::in_lab {

struct RunMode {
  Order order = Order::any;
  bool cancels = false;  // requests are injected, and what the test expects is not asked
};

/// What belongs to the run on this thread.
struct CurrentRun {
  lab::detail::Engine& engine;
  const RunMode& mode;
  std::uint32_t steppers = 0;
  bool chose = false;  // the strategy had a choice
  std::vector<std::unique_ptr<lab::detail::LabExecutor>> executors{};
};
CurrentRun& current_run();

/// `chose` tells afterwards whether there was a choice at all.
lab::detail::OneRun one_run_of(void (*run_once)(), const RunMode& mode, bool& chose);

}  // namespace quiesce::semantics::in_lab
