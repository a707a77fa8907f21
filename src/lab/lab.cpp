// Coroutine bodies in the lab: a root region on an engine, and what its end says.
#include "quiesce/lab.hpp"

#include <fmt/format.h>

#include <charconv>
#include <sstream>
#include <utility>

#include "executor.hpp"
#include "quiesce/detail/lab/drive.hpp"
#include "quiesce/detail/scope/region_run.hpp"

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

/// What a run's choices mean depends on this: it stands before them in the token, "s7.w2.c.m.".
struct RunMode {
  std::uint64_t seed = 0;
  std::uint32_t workers = 1;
  bool draws_cancels = false;
  Memory memory = Memory::sc;

  std::string prefix() const {
    std::string text;
    if (seed != 0) text += fmt::format("s{}.", seed);
    if (workers != 1) text += fmt::format("w{}.", workers);
    if (draws_cancels) text += "c.";
    if (memory == Memory::weak) text += "m.";
    return text;
  }
  /// Takes the prefix off. What cannot be read stays, and is no token.
  static RunMode take_from(std::string_view& token) {
    RunMode mode;
    const auto number = [](std::string_view part, auto& value) {
      const auto [end, error] = std::from_chars(part.data() + 1, part.data() + part.size(), value);
      return error == std::errc() && end == part.data() + part.size();
    };
    for (std::size_t dot = token.find('.'); dot != std::string_view::npos && dot > 0; dot = token.find('.')) {
      const std::string_view part = token.substr(0, dot);
      const bool read = (part[0] == 's' && number(part, mode.seed)) ||
                        (part[0] == 'w' && number(part, mode.workers)) ||
                        (part == "c" && (mode.draws_cancels = true)) ||
                        (part == "m" && (mode.memory = Memory::weak) == Memory::weak);
      if (!read) break;
      token.remove_prefix(dot + 1);
    }
    return mode;
  }
};

/// One run of a body.
class TaskRun {
 public:
  TaskRun(Engine& engine, const RunMode& mode)
      : engine_(engine), executor_(engine, mode.workers, mode.draws_cancels, config(mode)) {}

  RunEnd operator()(Strategy& strategy, const InstallBody& install) {
    RunEnd end = engine_.run(strategy, "main", [&] { run_main(install); });
    result_.engine = nullptr;
    const std::string left = executor_.drain();
    if (body_ != nullptr) finish(end);
    if (!left.empty() && !end.failure)
      end.failure = Failure{FailureKind::deadlock, "what still waits cannot be ended: " + left, end.steps};
    return end;
  }

 private:
  static KernelConfig config(const RunMode& mode) {
    KernelConfig config;
    config.seed = mode.seed;
    return config;
  }

  void run_main(const InstallBody& install) {
    executor_.begin();
    Kernel& kernel = executor_.kernel();
    RegionRef root = kernel
                         .open_region({.parent = {},
                                       .limits = {},
                                       .policy = &PolicyOpsOf<FailFast>::ops,
                                       .result = &result_,
                                       .cleanup = {}})
                         .value();
    body_ = kernel.admit_task({.region = root, .role = TaskRole::Body}).value();
    Scope<> scope(ScopeCore{root.record, root.generation});
    result_.engine = &engine_;
    result_.waiting = engine_.self();
    try {
      install(*body_, Cx(CxCore{body_, body_->generation.load()}), scope);
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
    if (end.failure || outcome.is_ok() || outcome.is_cancelled()) return;
    end.failure = Failure{outcome.is_panicked() ? FailureKind::exception : FailureKind::assertion,
                          "the body ended with " + text_of(outcome), end.steps};
  }

  /// What must be even when the root has closed (R4, L2).
  std::optional<Failure> broken_rule(const RunEnd& end) {
    const KernelCounts counts = executor_.kernel().counts();
    std::string broken;
    if (counts.tasks_spawned != counts.tasks_completed) {
      broken = fmt::format("{} tasks were spawned and {} have ended, though their region has closed",
                           counts.tasks_spawned, counts.tasks_completed);
    } else if (counts.regions_opened != counts.regions_closed) {
      broken = fmt::format("{} regions were opened and {} have closed, though the root has",
                           counts.regions_opened, counts.regions_closed);
    } else if (counts.leaked_obligations != 0) {
      broken = fmt::format("{} obligations were left when their region closed", counts.leaked_obligations);
    }
    if (broken.empty()) return std::nullopt;
    return Failure{FailureKind::oracle, std::move(broken), end.steps};
  }

  Engine& engine_;
  LabExecutor executor_;
  RootResult result_;
  TaskRecord* body_ = nullptr;
};

}  // namespace

namespace {

OneRun run_of(const RunMode& mode, const InstallBody& install) {
  return [&mode, &install](Engine& engine, Strategy& strategy) {
    return TaskRun(engine, mode)(strategy, install);
  };
}

Report with_mode(Report report, const RunMode& mode) {
  if (report.first_failure) report.first_failure->token = mode.prefix() + report.first_failure->token;
  return report;
}

}  // namespace

Report explore_tasks(const Options& options, const InstallBody& install) {
  const RunMode mode{.seed = options.seed, .workers = options.workers, .memory = options.memory};
  return with_mode(drive(options, run_of(mode, install)), mode);
}

Report cancel_tasks(const Options& options, std::uint32_t together, const InstallBody& install) {
  const RunMode mode{.seed = options.seed, .draws_cancels = true, .memory = options.memory};
  return with_mode(drive(options, make_injection(together), run_of(mode, install)), mode);
}

Report replay_tasks(std::string_view token, const InstallBody& install) {
  const RunMode mode = RunMode::take_from(token);
  return with_mode(drive_replay(token, Options{.memory = mode.memory}, run_of(mode, install)), mode);
}

}  // namespace quiesce::lab::detail
