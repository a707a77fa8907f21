#include "quiesce/combinators/join_set.hpp"

#include <gtest/gtest.h>

#include "quiesce/runtime.hpp"
#include "quiesce/select.hpp"
#include "quiesce/timeout.hpp"
#include "unit/combinators/branches.hpp"

namespace quiesce::combinator_tests {
namespace {

TEST(JoinSet, JoinsInTheOrderOfTheEnds) {
  Branches b;
  JoinSet<int> set(b.scope);
  const Duration delays[] = {5ms, 1ms, 9ms, 3ms};
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(set.spawn(b.cx, branch, delays[i], i == 3 ? End::Err : End::Ok, i));
  EXPECT_EQ(set.size(), 4u);
  EXPECT_EQ(set.running(), 4u);
  std::vector<std::string> seen;
  while (auto next = b.run(set.join_next(b.cx)).value())
    seen.push_back(next->is_ok() ? std::to_string(next->value()) : describe(*next));
  EXPECT_EQ(seen, (std::vector<std::string>{"1", "err 3", "0", "2"}));
  EXPECT_TRUE(set.empty());
  EXPECT_FALSE(b.run(set.join_next(b.cx)).value().has_value());
}

TEST(JoinSet, OfThoseThatHaveEndedMeanwhileTheFirstComesFirst) {
  Branches b;
  JoinSet<int> set(b.scope);
  const Duration delays[] = {5ms, 1ms, 9ms, 3ms};
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(set.spawn(b.cx, branch, delays[i], End::Ok, i));
  for (int i = 0; i < 4; ++i) b.stepper.run_until_idle(), b.stepper.advance(3ms);
  b.stepper.run_until_idle();
  EXPECT_EQ(set.running(), 0u);
  auto outcomes = b.run(set.join_all(b.cx)).value();
  std::vector<int> seen;
  for (auto& outcome : outcomes) seen.push_back(outcome.value());
  EXPECT_EQ(seen, (std::vector{1, 3, 0, 2}));
}

TEST(JoinSet, RunsAtMostSoManyAtATime) {
  Branches b;
  JoinSet<int> set(b.scope, 2);
  ASSERT_TRUE(set.spawn(b.cx, branch, Duration(5ms), End::Ok, 0));
  ASSERT_TRUE(set.spawn(b.cx, branch, Duration(5ms), End::Ok, 1));
  auto refused = set.spawn(b.cx, branch, Duration(5ms), End::Ok, 2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), SpawnErrorKind::RegionAtCapacity);
  EXPECT_NE(refused.error().message().find("running_max of the JoinSet is 2"), std::string::npos);
  EXPECT_EQ(set.size(), 2u);
  EXPECT_TRUE(b.run(set.spawn_next(b.cx, branch, Duration(1ms), End::Ok, 3)).is_ok());
  EXPECT_EQ(b.since_start(), 5ms) << "it waited for a place";
  EXPECT_EQ(b.run(set.join_all(b.cx)).value().size(), 3u);
  EXPECT_EQ(b.since_start(), 6ms);
}

TEST(JoinSet, AWaitForAPlaceThatIsCancelledSpawnsNothing) {
  Branches b;
  JoinSet<int> set(b.scope, 1);
  ASSERT_TRUE(set.spawn(b.cx, branch, Duration(5ms), End::Ok, 0));
  auto body = [&](Cx cx) -> Task<> { co_await set.spawn_next(cx, branch, Duration(5ms), End::Ok, 1); };
  auto waiting = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  b.stepper.run_until_idle();
  waiting.abort();
  EXPECT_TRUE(b.stepper.run(waiting.join(b.cx)).is_cancelled());
  EXPECT_EQ(b.run(set.join_all(b.cx)).value().size(), 1u);
}

TEST(JoinSet, NextIsAnOperation) {
  Branches b;
  auto body = [&](Cx cx) -> Task<int> {
    JoinSet<int> set(b.scope);
    co_await set.spawn(cx, branch, Duration(5ms), End::Ok, 7);
    auto early = co_await select(cx, set.next(), cx.sleep(2ms));
    EXPECT_EQ(early.index(), 1u);
    EXPECT_EQ(set.size(), 1u) << "nothing was consumed";
    auto late = co_await select(cx, set.next(), cx.sleep(20ms));
    TaskHandle<int> handle = std::move(*std::get<0>(late));
    EXPECT_TRUE(set.empty());
    co_return co_await handle.join(cx);
  };
  EXPECT_EQ(b.run(body(b.cx)).value(), 7);
}

TEST(JoinSet, AJoinThatIsCancelledConsumesNothing) {
  Branches b;
  JoinSet<int> set(b.scope);
  ASSERT_TRUE(set.spawn(b.cx, branch, Duration(5ms), End::Ok, 7));
  auto body = [&](Cx cx) -> Task<> { (void)co_await set.join_next(cx); };
  auto waiting = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  b.stepper.run_until_idle();
  waiting.abort();
  EXPECT_TRUE(b.stepper.run(waiting.join(b.cx)).is_cancelled());
  EXPECT_EQ(b.run(set.join_next(b.cx)).value()->value(), 7);
}

TEST(JoinSet, JoinAllThatIsCancelledDrainsTheSet) {
  Branches b;
  JoinSet<int> set(b.scope);
  ASSERT_TRUE(set.spawn(b.cx, branch, Duration(1ms), End::Err, 7));
  ASSERT_TRUE(set.spawn(b.cx, stubborn_branch, Duration(3ms)));
  auto body = [&](Cx cx) -> Task<> { (void)co_await set.join_all(cx); };
  auto waiting = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  b.stepper.run_until_idle();
  b.stepper.advance(2ms);
  b.stepper.run_until_idle();
  waiting.abort();
  EXPECT_TRUE(b.stepper.run(waiting.join(b.cx)).is_cancelled());
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(b.since_start(), 5ms);
  EXPECT_TRUE(b.stepper.live_tasks().empty());
}

TEST(JoinSet, ShutdownAbortsAndDrains) {
  Branches b;
  JoinSet<int> set(b.scope);
  ASSERT_TRUE(set.spawn(b.cx, never_ends));
  ASSERT_TRUE(set.spawn(b.cx, stubborn_branch, Duration(3ms)));
  ASSERT_TRUE(set.spawn(b.cx, branch, Duration::zero(), End::Err, 1));
  b.stepper.run_until_idle();
  EXPECT_TRUE(b.run(set.shutdown(b.cx)).is_ok());
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(b.since_start(), 3ms);
  EXPECT_FALSE(b.run(set.join_next(b.cx)).value().has_value());
}

TEST(JoinSet, AbortAllCancelsWhatJoinThenShows) {
  Branches b;
  JoinSet<int> set(b.scope);
  ASSERT_TRUE(set.spawn(b.cx, never_ends));
  set.abort_all();
  EXPECT_TRUE(b.run(set.join_next(b.cx)).value()->is_cancelled());
}

TEST(JoinSet, ADroppedSetLeavesItsTasksAndTheirFailuresToTheRegion) {
  Branches b;
  int done = 0;
  auto work = [&done](Cx cx) -> Task<int> {
    co_await cx.sleep(5ms);
    co_return ++done;
  };
  auto inside = [&](Cx cx, Scope<>& scope) -> Task<> {
    JoinSet<int> set(scope);
    co_await set.spawn(cx, UnsafeSend(work));
    co_await set.spawn(cx, branch, Duration(9ms), End::Err, 4);
  };
  const Outcome<> o = b.run(region(b.cx, FailFast(), inside));
  EXPECT_EQ(describe(o), "err 4");
  EXPECT_EQ(done, 1);
  EXPECT_EQ(b.since_start(), 9ms);
}

TEST(JoinSet, AFailureThatHasEndedAndNobodyJoinedIsNotLost) {
  Branches b;
  auto inside = [&](Cx cx, Scope<>& scope) -> Task<> {
    JoinSet<int> set(scope);
    co_await set.spawn(cx, branch, Duration::zero(), End::Err, 4);
    co_await cx.sleep(1ms);
  };
  EXPECT_EQ(describe(b.run(region(b.cx, FailFast(), inside))), "err 4");
}

TEST(JoinSet, ASpawnThatTheRegionRefusesLeavesNoTrace) {
  Branches b;
  JoinSet<int> set(b.scope, 1);
  b.stepper.set_limits(b.root, RegionLimits{.max_tasks = 0});
  EXPECT_FALSE(set.spawn(b.cx, branch, Duration::zero(), End::Ok, 4));
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.running(), 0u);
  b.stepper.set_limits(b.root, RegionLimits{});
  EXPECT_TRUE(set.spawn(b.cx, branch, Duration::zero(), End::Ok, 4));
}

TEST(JoinSet, AnArgumentThatThrowsLeavesNoTrace) {
  struct Throws {
    Throws() = default;
    Throws(const Throws&) { throw std::runtime_error("copy"); }
  };
  Branches b;
  JoinSet<int> set(b.scope, 1);
  auto work = [](Cx, Throws) -> Task<int> { co_return 1; };
  const Throws argument;
  EXPECT_THROW((void)set.spawn(b.cx, work, argument), std::runtime_error);
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.running(), 0u);
  ASSERT_TRUE(set.spawn(b.cx, branch, Duration::zero(), End::Ok, 4));
  EXPECT_EQ(b.run(set.join_next(b.cx)).value()->value(), 4);
}

TEST(JoinSetOnWorkers, EveryTaskIsJoinedOnce) {
  Runtime runtime = Runtime::builder().workers(4).build();
  auto work = [](Cx cx, int i) -> Task<int> {
    if (i % 3 == 0) co_await cx.yield();
    co_return i;
  };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<long> {
    TaskGroup<int> group(scope, 16);
    long sum = 0;
    for (int i = 0; i < 3000; ++i) {
      co_await group.spawn_next(cx, work, i);
      if (i % 2 == 0) continue;
      auto ended = co_await group.join_next(cx);
      sum += ended->value();
    }
    while (auto ended = co_await group.join_next(cx)) sum += ended->value();
    co_return sum;
  };
  EXPECT_EQ(runtime.block_on(body).value(), 2999L * 3000 / 2);
}

}  // namespace
}  // namespace quiesce::combinator_tests
