#include "quiesce/interval.hpp"

#include <gtest/gtest.h>

#include "quiesce/select.hpp"
#include "quiesce/sync/event.hpp"
#include "quiesce/testing/stepper.hpp"
#include "quiesce/timeout.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using testing::Stepper;
using Due = std::vector<Duration>;

struct Intervals : ::testing::Test {
  Stepper stepper;
  RegionId root = stepper.create_root_region();
  Scope<> scope = stepper.scope(root);
  Cx cx = stepper.cx(root);

  template <class T, class E>
  Outcome<T, E> run(Task<T, E> task) {
    return stepper.run(cx, std::move(task));
  }
};

/// Ticks every 10ms, and is away from 15ms to 47ms; when five ticks were due, and when they came.
Task<std::pair<Due, Due>> late_for_some(Cx cx, MissedTick missed) {
  std::pair<Due, Due> seen;
  Interval beat = interval(cx, 10ms, missed);
  for (int i = 0; i < 5; ++i) {
    Time due = co_await beat.tick(cx);
    seen.first.push_back(due - Time::zero());
    seen.second.push_back(cx.now() - Time::zero());
    if (i == 0) co_await cx.sleep(37ms);
  }
  co_return seen;
}

TEST_F(Intervals, BurstCatchesUp) {
  auto [due, came] = run(late_for_some(cx, MissedTick::burst)).value();
  EXPECT_EQ(due, (Due{10ms, 20ms, 30ms, 40ms, 50ms}));
  EXPECT_EQ(came, (Due{10ms, 47ms, 47ms, 47ms, 50ms}));
}

TEST_F(Intervals, DelayBeginsAnewAtTheLateTick) {
  auto [due, came] = run(late_for_some(cx, MissedTick::delay)).value();
  EXPECT_EQ(due, (Due{10ms, 20ms, 57ms, 67ms, 77ms}));
  EXPECT_EQ(came, (Due{10ms, 47ms, 57ms, 67ms, 77ms}));
}

TEST_F(Intervals, SkipLeavesOutWhatWasMissedAndKeepsThePhase) {
  auto [due, came] = run(late_for_some(cx, MissedTick::skip)).value();
  EXPECT_EQ(due, (Due{10ms, 20ms, 50ms, 60ms, 70ms}));
  EXPECT_EQ(came, (Due{10ms, 47ms, 50ms, 60ms, 70ms}));
}

TEST_F(Intervals, TheyCountWhatTheyLeaveOut) {
  auto body = [](Cx mine, MissedTick missed) -> Task<std::uint64_t> {
    Interval beat = interval(mine, 10ms, missed);
    co_await mine.sleep(45ms);
    co_await beat.tick(mine);
    co_return beat.left_out();
  };
  EXPECT_EQ(run(body(cx, MissedTick::burst)).value(), 0u);
  EXPECT_EQ(run(body(cx, MissedTick::skip)).value(), 3u);
  EXPECT_EQ(run(body(cx, MissedTick::delay)).value(), 3u);
}

TEST_F(Intervals, ATickThatLosesASelectComesLater) {
  Event soon;
  auto body = [&](Cx mine) -> Task<Time> {
    Interval beat = interval(mine, 10ms);
    auto first = co_await select(mine, beat.tick(), mine.sleep(4ms));
    EXPECT_EQ(first.index(), 1u);
    auto second = co_await select(mine, beat.tick(), mine.sleep(40ms));
    EXPECT_EQ(second.index(), 0u);
    auto late = timeout(mine, 1ms, beat.tick());
    auto third = co_await std::move(late).outcome();
    EXPECT_EQ(third.error().code(), ErrorCode::TimedOut);
    co_return beat.next();
  };
  EXPECT_EQ(run(body(cx)).value(), Time::zero() + 20ms);
}

TEST_F(Intervals, ATickThatWasCancelledHasNotBeen) {
  Interval beat = interval(cx, 10ms);
  auto body = [&beat](Cx mine) -> Task<> { co_await beat.tick(mine); };
  auto waiting = scope.spawn(cx, UnsafeSend(body)).value();
  stepper.run_until_idle();
  waiting.abort();
  EXPECT_TRUE(stepper.run(waiting.join(cx)).is_cancelled());
  auto early = scope.spawn(cx, UnsafeSend(body)).value();
  early.abort();
  EXPECT_TRUE(stepper.run(early.join(cx)).is_cancelled());
  EXPECT_EQ(beat.next(), Time::zero() + 10ms);
  EXPECT_TRUE(run(body(cx)).is_ok());
  EXPECT_EQ(stepper.now(), Time::zero() + 10ms);
}

TEST_F(Intervals, APeriodThatIsNotPositiveAndAMissingTimerAreRefused) {
  auto body = [](Cx mine, Duration period) -> Task<> {
    Interval beat(mine.now(), period, MissedTick::burst);
    co_await beat.tick(mine);
  };
  EXPECT_EQ(run(body(cx, 0ms)).error().message(),
            "Interval::tick: the period of an interval must be positive, and is 0ns");
  Capabilities none;
  none.timer = false;
  const Cx timeless = stepper.cx(root, none);
  const Outcome<> refused = stepper.run(timeless, body(timeless, 1ms));
  ASSERT_TRUE(refused.is_err());
  EXPECT_EQ(refused.error().code(), ErrorCode::MissingCapability);
}

}  // namespace
}  // namespace quiesce
