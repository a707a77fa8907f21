#pragma once
// What has nothing to do with the planted bugs and stands before them in the program planted_changed: a compiler that numbers the lambdas
// of a file gives theirs other numbers there. Tokens of the one program are good for the other.
#include <gtest/gtest.h>

#include "quiesce/lab.hpp"
#include "quiesce/lab/gtest.hpp"

namespace {

[[maybe_unused]] auto new_in_the_namespace = [](quiesce::Cx, quiesce::Scope<>&) {};

TEST(AddedAbove, ExploresBodiesOfItsOwn) {
  auto threads = [] {};
  auto tasks = [](quiesce::Cx, quiesce::Scope<>&) -> quiesce::Task<> { co_return; };
  EXPECT_LAB_OK(quiesce::lab::explore_threads({.max_runs = 1}, threads));
  EXPECT_LAB_OK(quiesce::lab::explore({.max_runs = 1}, tasks));
}

}  // namespace
