#pragma once
// What the unit tests of locks share: a Stepper with one root region.
#include <utility>

#include "quiesce/testing/stepper.hpp"

namespace quiesce::sync_tests {

struct Desk {
  testing::Stepper stepper;
  RegionId root = stepper.create_root_region();
  Scope<CollectAll> scope = stepper.scope<CollectAll>(root);
  Cx cx = stepper.cx(root);

  template <class F, class... Args>
  auto spawn(F f, Args... args) {
    return scope.spawn(cx, f, std::move(args)...).value();
  }
  template <class T, class E>
  Outcome<T, E> run(Task<T, E> task) {
    return stepper.run(std::move(task));
  }
  /// Of a task that has ended.
  template <class T, class E>
  Outcome<T, E> joined(TaskHandle<T, E>& handle) {
    return stepper.run(handle.join(cx));
  }
};

}  // namespace quiesce::sync_tests
