#include "semantics_lab/run.hpp"

#include <fmt/format.h>
#include <gtest/gtest-spi.h>

#include <optional>
#include <regex>
#include <utility>

#include "quiesce/detail/assert.hpp"
#include "semantics_lab/guide.hpp"

namespace quiesce::semantics::in_lab {

namespace {

using lab::FailureKind;
using lab::detail::Engine;
using lab::detail::Failure;
using lab::detail::RunEnd;
using lab::detail::Strategy;

thread_local CurrentRun* this_run = nullptr;

class Running {
 public:
  explicit Running(CurrentRun& run)
      : run_before_(std::exchange(this_run, &run)),
        guides_before_(detail::set_stepper_guides(make_lab_guide)) {}
  ~Running() {
    this_run = run_before_;
    detail::set_stepper_guides(guides_before_);
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  CurrentRun* run_before_;
  detail::MakeStepperGuide guides_before_;
};

/// The first expectation that did not hold.
std::optional<std::string> first_failure(const ::testing::TestPartResultArray& results) {
  for (int i = 0; i < results.size(); ++i) {
    const ::testing::TestPartResult& result = results.GetTestPartResult(i);
    if (result.failed())
      return fmt::format("{}:{}: {}", result.file_name(), result.line_number(), result.message());
  }
  return std::nullopt;
}

/// Ids of records differ from run to run.
std::string without_ids(const std::string& text) {
  static const std::regex id(" \\([RT][0-9]+\\.[0-9]+\\)");
  return std::regex_replace(text, id, "");
}

/// What comes of a request that the test did not expect: the body gave up, or waits for what will not be done.
bool may_follow_a_request(FailureKind kind) {
  return kind == FailureKind::exception || kind == FailureKind::deadlock;
}

/// Also of a run that was given up: what is there is destroyed with the test's own objects, by the executor's drain.
void end_executors(CurrentRun& run, RunEnd& end) {
  for (auto& executor : run.executors) {
    if (run.engine.is_ruined()) {
      executor.release();
      continue;
    }
    const std::string left = executor->drain();
    if (!left.empty() && !end.failure)
      end.failure = Failure{FailureKind::deadlock, "it cannot be ended: " + left, end.steps};
  }
}

}  // namespace

CurrentRun& current_run() {
  QUIESCE_ASSERT(this_run != nullptr, "a test's Steppers and Runtimes are made in a run of the lab");
  return *this_run;
}

lab::detail::OneRun one_run_of(void (*run_once)(), const RunMode& mode, bool& chose) {
  return [run_once, &mode, &chose](Engine& engine, Strategy& strategy) {
    ::testing::TestPartResultArray results;
    CurrentRun run{.engine = engine, .mode = mode};
    RunEnd end;
    {
      using Reporter = ::testing::ScopedFakeTestPartResultReporter;
      const Reporter reporter(Reporter::INTERCEPT_ALL_THREADS, &results);
      const Running running(run);
      end = engine.run(strategy, "test", run_once);
      end_executors(run, end);
    }
    engine.on_idle = nullptr;
    engine.describe_deadlock = nullptr;
    chose = chose || !end.choices.empty();
    if (mode.cancels) {
      if (end.failure && may_follow_a_request(end.failure->kind)) end.failure.reset();
    } else if (auto broken = first_failure(results);
               broken && !(end.failure && end.failure->kind == FailureKind::oracle)) {
      if (end.failure) *broken += "; besides, " + end.failure->message;
      end.failure = Failure{FailureKind::assertion, std::move(*broken), end.steps};
    }
    if (end.failure) end.failure->message = without_ids(end.failure->message);
    return end;
  };
}

}  // namespace quiesce::semantics::in_lab
