#include "semantics_lab/runtime.hpp"

#include <stdexcept>

#include "lab/planted.hpp"
#include "quiesce/detail/kernel/snapshot.hpp"

namespace quiesce::semantics {

namespace in_lab {

RootClosed::RootClosed(lab::detail::Engine& e) : engine(e), waiting(e.self()) {
  closed = [](RegionResult& result) noexcept {
    auto& self = static_cast<RootClosed&>(result);
    self.is_closed = true;
    self.engine.wake(self.waiting);
  };
}

RootInLab::RootInLab(lab::detail::LabExecutor& executor, const RegionOptions& options,
                     const detail::PolicyOps* policy, void* instance)
    : executor_(executor), closed_(current_run().engine) {
  detail::Kernel& kernel = executor.kernel();
  const auto opening = kernel.open_region({.parent = {},
                                           .budget = options.budget(),
                                           .limits = options.limits(),
                                           .policy = policy,
                                           .policy_instance = instance,
                                           .result = &closed_,
                                           .bounded = options.is_bounded(),
                                           .cleanup = options.cleanup()});
  if (!opening) {
    refused_ = Error(opening.error());
    return;
  }
  const detail::RegionRef region = *opening;
  detail::TaskRecord* body = kernel
                                 .admit_task({.region = region,
                                              .role = detail::TaskRole::Body,
                                              .policy = policy,
                                              .capabilities = kernel.default_capabilities()})
                                 .value();
  opened_ = {{region.record, region.generation}, body};
}

RootInLab::~RootInLab() {
  if (opened_.body != nullptr) release_body(*opened_.body);
}

/// A run that is given up ends what the root has while the test's own objects, which it may refer to, are still there.
void RootInLab::wait_for_close() {
  try {
    while (!closed_.is_closed) closed_.engine.sleep({"wait for the root region to close", {}, {}});
  } catch (...) {
    (void)executor_.drain();
    throw;
  }
}

void RootInLab::run() {
  executor_.kernel().publish(*opened_.body);
  wait_for_close();
  const detail::RegionRef root{opened_.scope.region, opened_.scope.generation};
  if (std::exception_ptr escaped = executor_.kernel().take_unisolated(root)) std::rethrow_exception(escaped);
}

void RootInLab::abandon() {
  detail::Kernel& kernel = executor_.kernel();
  abandon_body(opened_);
  kernel.cancel_region({opened_.scope.region, opened_.scope.generation},
                       CancelReason::fail_fast("the body of the root region could not be made"),
                       detail::Whose::Own);
  kernel.release_body(*opened_.scope.region);
  wait_for_close();
}

}  // namespace in_lab

Runtime::Runtime(detail::KernelConfig config) {
  in_lab::CurrentRun& run = in_lab::current_run();
  if (!run.executors.empty()) throw std::logic_error("a test in the lab has one Runtime at most");
  lab::detail::RunMode mode;
  mode.draws_cancels = run.mode.cancels;
  config.defect = lab::detail::planted_defect;
  auto made = std::make_unique<lab::detail::LabExecutor>(run.engine, mode, std::move(config));
  executor_ = run.executors.emplace_back(std::move(made)).get();
  executor_->begin();
}

ShutdownReport Runtime::shutdown(Duration) {
  if (!executor_->kernel().roots().empty())
    throw std::logic_error("in the lab an idle Runtime can be shut down, no other");
  executor_->kernel().set_accepting(false);
  return {};
}

Snapshot Runtime::snapshot() const {
  return detail::take_snapshot(executor_->kernel().roots(), executor_->now());
}

RuntimeStats Runtime::stats() const {
  const detail::KernelCounts counts = executor_->kernel().counts();
  RuntimeStats stats;
  stats.tasks_spawned = counts.tasks_spawned;
  stats.tasks_completed = counts.tasks_completed;
  stats.regions_opened = counts.regions_opened;
  stats.regions_closed = counts.regions_closed;
  stats.panics_isolated = counts.panics;
  stats.escalated = counts.escalated;
  stats.leaked_obligations = counts.leaked_obligations;
  stats.workers.resize(1);
  return stats;
}

}  // namespace quiesce::semantics
