#pragma once
// What the tests of combinators share: branches that end as they are told.
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/scope.hpp"
#include "quiesce/testing/stepper.hpp"

namespace quiesce::combinator_tests {

using namespace std::chrono_literals;

enum class End { Ok, Err, Cancel, Panic };

inline Task<int> branch(Cx cx, Duration delay, End end, int value) {
  if (delay > Duration::zero()) co_await cx.sleep(delay);
  switch (end) {
    case End::Ok: break;
    case End::Err: co_await fail(Error("err " + std::to_string(value))); break;
    case End::Cancel: co_await cancelled(CancelReason::user("cancel " + std::to_string(value))); break;
    case End::Panic: throw std::runtime_error("panic " + std::to_string(value));
  }
  co_return value;
}
inline Task<int> never_ends(Cx cx) {
  for (;;) co_await cx.sleep(1h);
}
/// Ends as `end` says when it is asked to stop.
inline Task<int> when_asked(Cx cx, End end) {
  (void)co_await cx.sleep(1h).outcome();
  MaskGuard mask = cx.mask();
  co_return co_await branch(cx, Duration::zero(), end, 99);
}
/// Takes a while to stop.
inline Task<int> stubborn_branch(Cx cx, Duration needs) {
  (void)co_await cx.sleep(1h).outcome();
  MaskGuard mask = cx.mask();
  co_await cx.sleep(needs);
  co_return 0;
}

/// Failures stay with whoever holds the handle: the root collects.
struct Branches {
  testing::Stepper stepper;
  RegionId root;
  Scope<CollectAll> scope;
  Cx cx;

  explicit Branches(testing::StepperOptions options = {})
      : stepper(std::move(options)),
        root(stepper.create_root_region()),
        scope(stepper.scope<CollectAll>(root)),
        cx(stepper.cx(root)) {}

  template <class T, class E>
  Outcome<T, E> run(Task<T, E> task) {
    return stepper.run(cx, std::move(task));
  }
  template <class Op>
  auto run(Wait<Op> wait) {
    return run(awaited(std::move(wait)));
  }
  Duration since_start() const { return stepper.now() - Time::zero(); }
  TaskHandle<int> make(Duration delay, End end, int value) {
    return scope.spawn(cx, branch, delay, end, value).value();
  }
  TaskHandle<int> make_never() { return scope.spawn(cx, never_ends).value(); }
  TaskHandle<int> make_when_asked(End end) { return scope.spawn(cx, when_asked, end).value(); }
  TaskHandle<int> make_stubborn(Duration needs) { return scope.spawn(cx, stubborn_branch, needs).value(); }
  template <class Op>
  static Task<typename Op::value_type> awaited(Wait<Op> wait) {
    if constexpr (std::is_void_v<typename Op::value_type>) {
      co_await std::move(wait);
    } else {
      co_return co_await std::move(wait);
    }
  }
  template <class... Handles>
  static std::vector<TaskHandle<int>> list(Handles... handles) {
    std::vector<TaskHandle<int>> all;
    (all.push_back(std::move(handles)), ...);
    return all;
  }
};

template <class T, class E>
std::string describe(const Outcome<T, E>& o) {
  if (o.is_ok()) return "ok";
  if (o.is_err()) return o.error().message();
  if (o.is_cancelled())
    return std::string(to_string(o.cancel_reason().kind())) + " " + o.cancel_reason().message();
  return o.panic().message().substr(o.panic().message().find("panic ", 6));
}

}  // namespace quiesce::combinator_tests
