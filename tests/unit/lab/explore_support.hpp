#pragma once
// What tests of explorations have in common.
#include <gtest/gtest.h>

#include <functional>

#include "quiesce/lab/explore_threads.hpp"

namespace quiesce::lab::tests {

inline Report explore_all(const std::function<void()>& body) {
  return explore_threads({.strategy = exhaustive(), .max_runs = 1'000'000}, body);
}

/// The failure of an exploration that must have one.
inline FoundFailure failure_of(const Report& report) {
  if (report.failed()) return *report.first_failure;
  ADD_FAILURE() << "no failure in " << report.runs << " runs";
  return {FailureKind::oracle, "none", 0, 0, {}, {}};
}

}  // namespace quiesce::lab::tests
