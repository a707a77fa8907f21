// quorum, first_ok, race_with_losers.
#include "quiesce/combinators/quorum.hpp"

#include <gtest/gtest.h>

#include <set>

#include "quiesce/combinators/race_with_losers.hpp"
#include "quiesce/testing/stepper.hpp"
#include "unit/combinators/branches.hpp"

namespace quiesce::combinator_tests {
namespace {

template <class T>
std::vector<std::size_t> indices(const std::vector<RaceResult<T>>& won) {
  std::vector<std::size_t> all;
  for (const auto& one : won) all.push_back(one.index);
  return all;
}

TEST(Quorum, GivesTheFirstThatSucceedAndCancelsAndDrainsTheRest) {
  Branches b;
  auto handles = b.list(b.make(9ms, End::Ok, 1), b.make(2ms, End::Ok, 2), b.make(1ms, End::Err, 3),
                        b.make(4ms, End::Ok, 4), b.make_stubborn(3ms));
  auto o = b.run(quorum(b.cx, b.scope, 2, std::move(handles)));
  ASSERT_TRUE(o.is_ok()) << o.error();
  EXPECT_EQ(indices(o.value()), (std::vector<std::size_t>{1, 3}));
  EXPECT_EQ(o.value()[0].value, 2);
  EXPECT_EQ(o.value()[1].value, 4);
  EXPECT_EQ(b.since_start(), 4ms + 3ms) << "the stubborn one has drained";
  EXPECT_TRUE(b.stepper.live_tasks().empty());
}

TEST(Quorum, FailsWithTheFailureThatDecidedItTheOthersAttached) {
  Branches b;
  auto handles = b.list(b.make(1ms, End::Err, 1), b.make(9ms, End::Ok, 2), b.make(3ms, End::Err, 3));
  auto o = b.run(quorum(b.cx, b.scope, 2, std::move(handles)));
  EXPECT_EQ(describe(o), "err 3");
  ASSERT_EQ(o.attached().size(), 1u);
  EXPECT_EQ(b.since_start(), 3ms);
  EXPECT_TRUE(b.stepper.live_tasks().empty());
}

TEST(Quorum, OfNoneIsReachedAtOnceAndCancelsAll) {
  Branches b;
  auto o = b.run(quorum(b.cx, b.scope, 0, b.make_never(), b.make_never()));
  EXPECT_TRUE(o.value().empty());
  EXPECT_TRUE(b.stepper.live_tasks().empty());
}

TEST(Quorum, OfMoreThanThereAreIsRefused) {
  Branches b;
  auto o = b.run(quorum(b.cx, b.scope, 3, b.make(1ms, End::Ok, 1), b.make(1ms, End::Ok, 2)));
  ASSERT_TRUE(o.is_err());
  EXPECT_EQ(o.error().code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(o.error().message(), "quorum: 3 of 2 tasks can never succeed");
}

TEST(Quorum, NeedsAScopeOfTheCallersOwnRegion) {
  Branches b;
  const RegionId other = b.stepper.create_root_region();
  auto o = b.run(quorum(b.cx, b.stepper.scope<CollectAll>(other), 1, b.make(1ms, End::Ok, 1)));
  EXPECT_EQ(o.error().code(), ErrorCode::WrongRegion);
}

TEST(Quorum, APanicOfALoserReplacesTheValues) {
  Branches b;
  auto o = b.run(quorum(b.cx, b.scope, 1, b.make_when_asked(End::Panic), b.make(2ms, End::Ok, 1)));
  EXPECT_EQ(describe(o), "panic 99");
}

TEST(Quorum, CancelledWhileItWaitsItDrainsItsBranches) {
  Branches b;
  auto body = [&](Cx cx) -> Task<> {
    auto stubborn = co_await b.scope.spawn(cx, stubborn_branch, Duration(3ms));
    auto never = co_await b.scope.spawn(cx, never_ends);
    auto both = quorum(cx, b.scope, 1, std::move(stubborn), std::move(never));
    co_await std::move(both);
  };
  auto waiting = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  b.stepper.run_until_idle();
  waiting.abort();
  EXPECT_TRUE(b.stepper.run(waiting.join(b.cx)).is_cancelled());
  EXPECT_EQ(b.since_start(), 3ms);
  EXPECT_TRUE(b.stepper.live_tasks().empty());
}

TEST(Quorum, AmongMoreThanAreNeededEntropyDraws) {
  std::set<std::vector<std::size_t>> seen;
  for (std::uint64_t seed = 0; seed < 32; ++seed) {
    Branches b(testing::StepperOptions{.seed = seed});
    auto handles = b.list(b.make(0ms, End::Ok, 1), b.make(0ms, End::Ok, 2), b.make(0ms, End::Ok, 3));
    b.stepper.run_until_idle();
    auto o = b.run(quorum(b.cx, b.scope, 2, std::move(handles)));
    seen.insert(indices(o.value()));
  }
  EXPECT_GT(seen.size(), 3u);
}

TEST(FirstOk, GivesTheFirstValueWhateverFailedBefore) {
  Branches b;
  auto o = b.run(first_ok(b.cx, b.scope, b.make(1ms, End::Err, 1), b.make(5ms, End::Ok, 2), b.make_never()));
  EXPECT_EQ(o.value(), 2);
  EXPECT_EQ(b.since_start(), 5ms);
  EXPECT_TRUE(b.stepper.live_tasks().empty());
}

TEST(FirstOk, WhenAllFailTheWorstStandsAndTheOthersAreAttached) {
  Branches b;
  auto o = b.run(
      first_ok(b.cx, b.scope, b.make(1ms, End::Err, 1), b.make(2ms, End::Cancel, 2), b.make(3ms, End::Err, 3)));
  EXPECT_EQ(describe(o), "User cancel 2");
  EXPECT_EQ(o.attached().size(), 2u);
  Branches c;
  auto p = c.run(first_ok(c.cx, c.scope, c.make(2ms, End::Err, 1), c.make(1ms, End::Err, 2)));
  EXPECT_EQ(describe(p), "err 2") << "of equals the one that came first";
}

TEST(FirstOk, OfNoneIsRefused) {
  Branches b;
  auto o = b.run(first_ok(b.cx, b.scope, std::vector<TaskHandle<int>>()));
  EXPECT_EQ(o.error().message(), "first_ok: 1 of 0 tasks can never succeed");
}

Task<> unit(Cx) { co_return; }

TEST(FirstOk, WorksWithoutAValue) {
  Branches b;
  auto handle = b.scope.spawn(b.cx, unit).value();
  EXPECT_TRUE(b.run(first_ok(b.cx, b.scope, std::move(handle))).is_ok());
  auto again = b.scope.spawn(b.cx, unit).value();
  EXPECT_EQ(b.run(quorum(b.cx, b.scope, 1, std::move(again))).value()[0].index, 0u);
}

TEST(RaceWithLosers, HandsBackWhatTheLosersHaveMadeAllTheSame) {
  Branches b;
  auto handles = b.list(b.make_when_asked(End::Ok), b.make(2ms, End::Ok, 1), b.make_when_asked(End::Panic),
                        b.make_when_asked(End::Err), b.make_never());
  auto o = b.run(race_with_losers(b.cx, b.scope, std::move(handles)));
  ASSERT_TRUE(o.is_ok());
  EXPECT_EQ(o.value().index, 1u);
  EXPECT_EQ(o.value().winner().value(), 1);
  ASSERT_EQ(o.value().outcomes.size(), 5u);
  EXPECT_EQ(o.value().outcomes[0].value(), 99);
  EXPECT_EQ(describe(o.value().outcomes[2]), "panic 99");
  EXPECT_EQ(describe(o.value().outcomes[3]), "err 99");
  EXPECT_TRUE(o.value().outcomes[4].is_cancelled());
}

TEST(RaceWithLosers, CancelledWhileItWaitsItDrains) {
  Branches b;
  auto body = [&](Cx cx) -> Task<> {
    auto stubborn = co_await b.scope.spawn(cx, stubborn_branch, Duration(3ms));
    auto racing = race_with_losers(cx, b.scope, b.list(std::move(stubborn)));
    co_await std::move(racing);
  };
  auto waiting = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  b.stepper.run_until_idle();
  waiting.abort();
  EXPECT_TRUE(b.stepper.run(waiting.join(b.cx)).is_cancelled());
  EXPECT_EQ(b.since_start(), 3ms);
}

}  // namespace
}  // namespace quiesce::combinator_tests
