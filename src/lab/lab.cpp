// Coroutine bodies in the lab: a root region on an engine, and what its end says.
#include "quiesce/lab.hpp"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include "executor.hpp"
#include "exploration.hpp"
#include "planted.hpp"
#include "quiesce/detail/scope/region_run.hpp"
#include "run_mode.hpp"
#include "workers.hpp"

namespace quiesce::lab::detail {

using namespace quiesce::detail;

namespace {

struct RootResult : RegionResult {
  bool is_closed = false;
  LogicalId waiting{};
  Engine* engine = nullptr;  // while it runs

  RootResult() {
    closed = [](RegionResult& result) noexcept {
      auto& self = static_cast<RootResult&>(result);
      self.is_closed = true;
      if (self.engine != nullptr) self.engine->wake(self.waiting);
    };
  }
};

std::string text_of(const Outcome<>& outcome) {
  std::ostringstream text;
  text << outcome;
  return text.str();
}

bool is_injected(const Outcome<>& outcome) {
  if (!outcome.is_panicked() || !outcome.panic().exception()) return false;
  try {
    std::rethrow_exception(outcome.panic().exception());
  } catch (const ChaosPanic&) { return true; } catch (...) {
    return false;
  }
}

/// A root region has the first number.
constexpr LogicalId main_id{0x6D61696EU};

/// One run of a body.
class TaskRun {
 public:
  TaskRun(Engine& engine, const RunMode& mode) : engine_(engine), executor_(make_executor(engine, mode)) {}

  RunEnd operator()(Strategy& strategy, const InstallBody& install) {
    RunEnd end = engine_.run(
        strategy, "main", [&] { run_main(install); }, main_id);
    result_.engine = nullptr;
    end.told = executor_->watch().take_trace();
    if (engine_.is_ruined()) {
      executor_.release();  // records, timers and stacks refer to each other and to it: none can be trusted
      return end;
    }
    const std::string left = executor_->drain();
    if (body_ != nullptr) finish(end);
    if (!left.empty() && !end.failure)
      end.failure = Failure{FailureKind::deadlock, "what still waits cannot be ended: " + left, end.steps};
    return end;
  }

 private:
  static std::unique_ptr<TaskExecutor> make_executor(Engine& engine, const RunMode& mode) {
    if (mode.lanes) return std::make_unique<WorkersExecutor>(engine, mode, config(mode));
    return std::make_unique<LabExecutor>(engine, mode, config(mode));
  }
  static KernelConfig config(const RunMode& mode) {
    KernelConfig config;
    config.seed = mode.seed;
    config.defect = planted_defect;
    return config;
  }

  void run_main(const InstallBody& install) {
    executor_->begin();
    Kernel& kernel = executor_->kernel();
    RegionRef root = kernel
                         .open_region({.parent = {},
                                       .limits = {},
                                       .policy = &PolicyOpsOf<FailFast>::ops,
                                       .result = &result_,
                                       .cleanup = {}})
                         .value();
    body_ = kernel.admit_task({.region = root, .role = TaskRole::Body}).value();
    scope_.emplace(ScopeCore{root.record, root.generation});
    result_.engine = &engine_;
    result_.waiting = engine_.self();
    try {
      install(*body_, Cx(CxCore{body_, body_->generation.load()}), *scope_);
    } catch (...) {
      kernel.abandon_task(*std::exchange(body_, nullptr));
      kernel.cancel_region(root, CancelReason::fail_fast("the body could not be made"), Whose::Own);
      kernel.release_body(*root.record);
      throw;
    }
    kernel.publish(*body_);
    while (!result_.is_closed) engine_.sleep({"wait for the root region to close", {}, {}});
  }

  void finish(RunEnd& end) {
    if (!result_.is_closed) return;  // it waits for ever, and its records with it
    Outcome<> body = body_->result_ops->failure(*body_);
    Outcome<> outcome = combine(std::move(body), std::move(result_));
    release_body(*body_);
    if (end.failure) return;
    end.failure = broken_rule(end);
    if (end.failure || outcome.is_ok() || outcome.is_cancelled() || is_injected(outcome)) return;
    end.failure = Failure{outcome.is_panicked() ? FailureKind::exception : FailureKind::assertion,
                          "the body ended with " + text_of(outcome), end.steps};
  }

  /// What must be even when the root has closed (R4, L2).
  std::optional<Failure> broken_rule(const RunEnd& end) {
    const KernelCounts counts = executor_->kernel().counts();
    std::string broken;
    if (counts.tasks_spawned != counts.tasks_completed) {
      broken = fmt::format("{} tasks were spawned and {} have ended, though their region has closed",
                           counts.tasks_spawned, counts.tasks_completed);
    } else if (counts.regions_opened != counts.regions_closed) {
      broken = fmt::format("{} regions were opened and {} have closed, though the root has",
                           counts.regions_opened, counts.regions_closed);
    } else if (counts.leaked_obligations != 0) {
      broken = executor_->watch().first_leak();
    }
    if (broken.empty()) broken = executor_->broken_bound();
    if (broken.empty()) return std::nullopt;
    return Failure{FailureKind::oracle, std::move(broken), end.steps};
  }

  Engine& engine_;
  std::unique_ptr<TaskExecutor> executor_;
  RootResult result_;
  TaskRecord* body_ = nullptr;
  std::optional<Scope<>> scope_;  // the body's: the drain steps it when the main agent's stack has gone
};

}  // namespace

namespace {

Subject subject_of(BodyId body, const InstallBody& install) {
  return {.body = body, .takes_cancels = true, .in = [&install](const RunMode& mode) -> OneRun {
            return [mode, &install](Engine& engine, Strategy& strategy) {
              return TaskRun(engine, mode)(strategy, install);
            };
          }};
}

}  // namespace

Report explore_tasks(const Options& options, BodyId body, const InstallBody& install) {
  return explore(subject_of(body, install), options);
}

Report cancel_tasks(const Options& options, std::uint32_t together, BodyId body, const InstallBody& install) {
  return explore(subject_of(body, install), options, together);
}

Report replay_tasks(std::string_view token, BodyId body, const InstallBody& install) {
  return replay(subject_of(body, install), token, Options{});
}

}  // namespace quiesce::lab::detail
