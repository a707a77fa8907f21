#pragma once
// What the lab's tests of primitives share.
#include <gtest/gtest.h>

#include <cstdint>

#include "quiesce/lab.hpp"
#include "quiesce/lab/gtest.hpp"
#include "quiesce/quiesce.hpp"

namespace quiesce::lab_tests {

/// The body holds under random and PCT schedules, and with a request at each cancel point that it passes, alone and in pairs.
template <class Body>
void expect_holds(Body body, std::uint64_t runs = 500) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = runs}, body));
  EXPECT_LAB_OK(lab::explore({.strategy = lab::pct(3), .seed = 2, .max_runs = runs}, body));
  EXPECT_LAB_OK(lab::cancel_everywhere(body));
  EXPECT_LAB_OK(lab::cancel_everywhere(body, {.max_runs = runs}, true));
}

/// The body holds in every class of schedules, each run once; how many there are.
template <class Body>
std::uint64_t expect_exhausted(Body body, std::uint64_t max_runs = 100'000) {
  const lab::Report report = lab::explore({.strategy = lab::dpor(), .max_runs = max_runs}, body);
  EXPECT_LAB_OK(report);
  EXPECT_TRUE(report.exhausted) << report.text();
  EXPECT_EQ(report.runs, report.classes) << "a class was run twice";
  return report.classes;
}

/// dpor() sees as many classes as brute force does.
template <class Body>
void expect_every_class(Body body, std::uint64_t max_runs = 200'000) {
  const lab::Report all = lab::explore({.strategy = lab::exhaustive(), .max_runs = max_runs}, body);
  EXPECT_LAB_OK(all);
  EXPECT_TRUE(all.exhausted) << all.text();
  EXPECT_EQ(expect_exhausted(body, max_runs), all.classes);
}

}  // namespace quiesce::lab_tests
