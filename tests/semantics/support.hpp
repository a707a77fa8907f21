#pragma once
// What the semantics tests share.
#include <gtest/gtest.h>

#include <chrono>
#include <coroutine>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quiesce/metrics_memory.hpp"
#include "quiesce/quiesce.hpp"
#include "quiesce/testing/stepper.hpp"
#ifdef QUIESCE_SEMANTICS_IN_LAB
#include "semantics_lab/runtime.hpp"  // Runtime is the lab's
#include "semantics_lab/tests.hpp"    // TEST and TEST_F are explored
#endif

namespace quiesce::semantics {

namespace q = quiesce;
using namespace std::chrono_literals;
using testing::Stepper;
using testing::StepperOptions;
using testing::StepResult;
using Lines = std::vector<std::string>;

/// How often a test does what may meet a race by chance. The lab looks for the race itself, in runs that are short.
constexpr int repeated(int on_threads) {
#ifdef QUIESCE_SEMANTICS_IN_LAB
  return on_threads < 6 ? on_threads : 6;
#else
  return on_threads;
#endif
}

/// Tasks that co_await it wait until the test opens it, or is done with it. A foreign awaitable: no request ends the wait. One thread.
class Door {
 public:
  Door() = default;
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;
  ~Door() { open(); }
  bool await_ready() const noexcept { return open_; }
  void await_suspend(std::coroutine_handle<> waiter) { waiting_.push_back(waiter); }
  void await_resume() const noexcept {}
  void open() {
    open_ = true;
    for (std::coroutine_handle<> waiter : std::exchange(waiting_, {})) waiter.resume();
  }

 private:
  bool open_ = false;
  std::vector<std::coroutine_handle<>> waiting_;
};

/// Writes a line when it is destroyed.
class Farewell {
 public:
  Farewell(Lines* lines, std::string line) : lines_(lines), line_(std::move(line)) {}
  Farewell(Farewell&& other) noexcept
      : lines_(std::exchange(other.lines_, nullptr)), line_(std::move(other.line_)) {}
  Farewell& operator=(Farewell&&) = delete;
  ~Farewell() {
    if (lines_ != nullptr) lines_->push_back(line_);
  }

 private:
  Lines* lines_;
  std::string line_;
};

inline StepperOptions with_cleanup(std::uint32_t steps, Duration time) {
  return {.cleanup = CleanupBudget{steps, time}};
}

/// A Stepper with one root region, its scope and its context.
template <class P = FailFast>
struct Bench {
  Stepper stepper;
  RegionId root;
  Scope<P> scope;
  Cx cx;

  explicit Bench(StepperOptions options = {}, const Budget& budget = Budget::infinite(),
                 const RegionLimits& limits = {})
      : stepper(std::move(options)),
        root(stepper.create_root_region(budget, limits)),
        scope(stepper.scope<P>(root)),
        cx(stepper.cx(root)) {}

  template <class T, class E>
  Outcome<T, E> run(Task<T, E> task) {
    return stepper.run(cx, std::move(task));
  }
  /// Runs a region below the root.
  template <class Body>
  auto run_region(Body& body) {
    return run(scope.region(cx, FailFast{}, body));
  }
  template <class Body>
  auto run_region(Body& body, const RegionOptions& options) {
    return run(scope.region_with(cx, options, FailFast{}, body));
  }
  /// Spawns a body that may capture what outlives the stepper's last step.
  template <class Body, class... Args>
  auto spawn(Body body, Args... args) {
    return scope.spawn(cx, UnsafeSend<Body>(std::move(body)), std::move(args)...).value();
  }
};

/// A task that sleeps for an hour: it ends by a request.
inline Task<> sleeper(Cx cx) { co_await cx.sleep(std::chrono::hours(1)); }
inline Task<int> answer(Cx, int value) { co_return value; }
inline Task<> failing(Cx, std::string text) { co_await fail(ErrorCode::User, std::move(text)); }
inline Task<> panicking(Cx, std::string text) {
  throw std::runtime_error(text);
  co_return;
}
inline Task<> at_door(Cx, Door* door) { co_await *door; }

}  // namespace quiesce::semantics
