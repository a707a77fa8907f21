// What the combinators do depends on who ends first: dpor() sees each of these orders, as brute force does.
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "quiesce/lab.hpp"
#include "quiesce/lab/gtest.hpp"
#include "quiesce/quiesce.hpp"

namespace q = quiesce;
namespace lab = quiesce::lab;
using namespace std::chrono_literals;

namespace {

q::Task<int> answer(q::Cx, int value) { co_return value; }
q::Task<int> late_answer(q::Cx cx, int value) {
  co_await cx.yield();
  co_return value;
}

template <class Body>
void expect_every_class(Body body) {
  const lab::Report all = lab::explore({.strategy = lab::exhaustive(), .max_runs = 200'000}, body);
  EXPECT_LAB_OK(all);
  EXPECT_TRUE(all.exhausted);
  EXPECT_GT(all.classes, 1u);
  const lab::Report classes = lab::explore({.strategy = lab::dpor(), .max_runs = 200'000}, body);
  EXPECT_LAB_OK(classes);
  EXPECT_TRUE(classes.exhausted);
  EXPECT_EQ(classes.classes, all.classes) << classes.text();
  EXPECT_EQ(classes.runs, classes.classes) << "a class was run twice";
}

TEST(LabCombinators, Race) {
  expect_every_class([](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto here = co_await scope.spawn(cx, answer, 1);
    auto there = co_await scope.spawn(cx, answer, 2);
    co_await scope.race(cx, std::move(here), std::move(there));
  });
}

TEST(LabCombinators, RaceWhoseLoserIsCancelled) {
  expect_every_class([](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto here = co_await scope.spawn(cx, late_answer, 1);
    auto there = co_await scope.spawn(cx, late_answer, 2);
    co_await scope.race(cx, std::move(here), std::move(there));
  });
}

TEST(LabCombinators, TryJoin) {
  expect_every_class([](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto fails = [](q::Cx) -> q::Task<int> {
      co_await q::fail(q::ErrorCode::User, "no");
      co_return 0;
    };
    auto here = co_await scope.spawn(cx, late_answer, 1);
    auto there = co_await scope.spawn(cx, fails);
    (void)co_await scope.try_join(cx, std::move(here), std::move(there)).outcome();
  });
}

TEST(LabCombinators, JoinOfAll) {
  expect_every_class([](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto here = co_await scope.spawn(cx, answer, 1);
    auto there = co_await scope.spawn(cx, answer, 2);
    co_await scope.join(cx, std::move(here), std::move(there));
  });
}

TEST(LabCombinators, AnAbortThatMayComeTooLate) {
  expect_every_class([](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto working = co_await scope.spawn(cx, late_answer, 1);
    co_await cx.yield();
    working.abort();
    (void)co_await working.join(cx).outcome();
  });
}

TEST(LabCombinators, RaceOfBlockingJobs) {
  expect_every_class([](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto job = [](q::Cx) { return 7; };
    auto here = co_await scope.spawn_blocking(cx, job);
    auto there = co_await scope.spawn_blocking(cx, job);
    co_await scope.race(cx, std::move(here), std::move(there));
  });
}

TEST(LabCombinators, ALookWhetherATaskHasEnded) {
  expect_every_class([](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    lab::atomic<int> looks{0};
    auto working = co_await scope.spawn(cx, answer, 1);
    while (looks.load() < 2 && !working.is_finished()) {
      looks.fetch_add(1);
      co_await cx.yield();
    }
  });
}

}  // namespace
