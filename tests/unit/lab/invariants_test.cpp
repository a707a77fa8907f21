// What a program says of itself: always, and sometimes.
#include <gtest/gtest.h>

#include "quiesce/lab.hpp"
#include "quiesce/lab/gtest.hpp"
#include "quiesce/quiesce.hpp"

namespace q = quiesce;
namespace lab = quiesce::lab;

namespace {

/// Two accounts, and a transfer between them that is seen in the middle unless it is one step.
auto transfer(bool is_seen) {
  return [is_seen] {
    lab::atomic<int> from{10}, to{0};
    const lab::Always sum("the sum is 10", [&] { return from.load() + to.load() == 10; });
    lab::thread mover([&] {
      if (!is_seen) return;
      from.store(5);
      to.store(5);
    });
    lab::thread reader([&] { (void)from.load(); });
    mover.join();
    reader.join();
  };
}

TEST(LabInvariants, AreLookedAtAfterEveryStep) {
  EXPECT_LAB_OK(lab::explore_threads({.strategy = lab::exhaustive()}, transfer(false)));
  const lab::Report report = lab::explore_threads({.max_runs = 10}, transfer(true));
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::assertion);
  EXPECT_EQ(report.failure()->message, "no longer true: the sum is 10");
  const lab::Report again = lab::replay_threads(report.failure()->token, transfer(true));
  ASSERT_TRUE(again.failed());
  EXPECT_EQ(again.failure()->message, report.failure()->message);
}

TEST(LabInvariants, EndWithTheirScopeAndAreNothingOutsideOfARun) {
  const lab::Always outside("never asked", [] { return false; });
  lab::sometimes(false, "never asked");
  auto body = [](q::Cx cx, q::Scope<>&) -> q::Task<> {
    bool holds = true;
    {
      const lab::Always now("now", [&] { return holds; });
      co_await cx.yield();
    }
    holds = false;
    co_await cx.yield();
  };
  EXPECT_LAB_OK(lab::explore({.max_runs = 20}, body));
}

TEST(LabInvariants, WhatNeverHappensIsAFailureOfTheExploration) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    int order = 0, seen = 0;
    auto first = [&](q::Cx) -> q::Task<> {
      if (order++ == 1) seen = 1;
      co_return;
    };
    auto second = [&](q::Cx) -> q::Task<> {
      ++order;
      co_return;
    };
    auto a = scope.spawn(cx, q::unsafe_send(first)).value();
    auto b = scope.spawn(cx, q::unsafe_send(second)).value();
    co_await a.join(cx);
    co_await b.join(cx);
    lab::sometimes(seen == 1, "the second went first");
    lab::sometimes(order == 3, "a third went");
  };
  const lab::Report report = lab::explore({.strategy = lab::exhaustive()}, body);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->message, "in none of " + std::to_string(report.runs) + " runs: a third went");
  EXPECT_TRUE(report.exhausted);
}

}  // namespace
