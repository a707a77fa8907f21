// timeout, deadline, Stopwatch.
#include "quiesce/timeout.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "quiesce/runtime.hpp"
#include "quiesce/stopwatch.hpp"
#include "quiesce/sync/event.hpp"
#include "quiesce/sync/semaphore.hpp"
#include "quiesce/testing/stepper.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using testing::Stepper;

struct Timeouts : ::testing::Test {
  Stepper stepper;
  RegionId root = stepper.create_root_region();
  Scope<> scope = stepper.scope(root);
  Cx cx = stepper.cx(root);

  template <class T, class E>
  Outcome<T, E> run(Task<T, E> task) {
    return stepper.run(cx, std::move(task));
  }
  Time at(Duration since_start) const { return Time::zero() + since_start; }
};

TEST_F(Timeouts, AnOperationThatComesInTimeGivesItsValue) {
  Semaphore seats(1);
  auto body = [&](Cx mine) -> Task<std::uint32_t> {
    SemaphorePermit permit = co_await timeout(mine, 5ms, seats.acquire());
    co_return permit.count();
  };
  EXPECT_EQ(run(body(cx)).value(), 1u);
  EXPECT_EQ(stepper.now(), at(0ms));
  EXPECT_EQ(seats.available_permits(), 1u);
}

TEST_F(Timeouts, AnOperationThatDoesNotComeIsTimedOutAndLeavesNothingBehind) {
  Semaphore seats(0);
  auto body = [&](Cx mine) -> Task<> { (void)co_await timeout(mine, 5ms, seats.acquire(mine)); };
  const Outcome<> ended = run(body(cx));
  ASSERT_TRUE(ended.is_err());
  EXPECT_EQ(ended.error().code(), ErrorCode::TimedOut);
  EXPECT_EQ(ended.error().message(), "timeout: 5.000ms have passed, and a permit of a semaphore has not come");
  EXPECT_EQ(stepper.now(), at(5ms));
  EXPECT_EQ(seats.statistics().waiters, 0u);
}

TEST_F(Timeouts, AnOperationThatIsReadyStandsHoweverLateItIs) {
  Event ready;
  ready.set();
  auto body = [&](Cx mine) -> Task<> {
    co_await mine.sleep(10ms);
    co_await timeout_at(mine, Time::zero() + 5ms, ready.wait());
    co_await timeout(mine, -1ms, ready.wait());
  };
  EXPECT_TRUE(run(body(cx)).is_ok());
}

TEST_F(Timeouts, TimeoutAtNamesTheTime) {
  Event never;
  auto body = [&](Cx mine) -> Task<> { co_await timeout_at(mine, Time::zero() + 7ms, never.wait()); };
  const Outcome<> ended = run(body(cx));
  EXPECT_EQ(ended.error().message(), "timeout_at: the time 7.000ms has come, and an event has not come");
}

TEST_F(Timeouts, OfASleepTheShorterOneDecides) {
  auto body = [&](Cx mine) -> Task<bool> {
    co_await timeout(mine, 5ms, mine.sleep(3ms));
    auto late = timeout(mine, 5ms, mine.sleep(30ms).outcome());
    auto outcome = co_await std::move(late).outcome();
    co_return outcome.is_err();
  };
  EXPECT_TRUE(run(body(cx)).value());
  EXPECT_EQ(stepper.now(), at(8ms));
}

Task<int> slow_answer(Cx cx, int value) {
  co_await cx.sleep(20ms);
  co_return value;
}

TEST_F(Timeouts, AJoinThatTimedOutCanBeRepeated) {
  auto body = [&](Cx mine) -> Task<int> {
    TaskHandle<int> handle = co_await scope.spawn(mine, slow_answer, 4);
    auto early = timeout(mine, 5ms, handle.join(mine));
    auto first = co_await std::move(early).outcome();
    EXPECT_EQ(first.error().code(), ErrorCode::TimedOut);
    int value = co_await timeout(mine, 50ms, handle.join(mine));
    co_return value;
  };
  EXPECT_EQ(run(body(cx)).value(), 4);
  EXPECT_EQ(stepper.now(), at(20ms));
}

TEST_F(Timeouts, AFunctionInTimeGivesItsValue) {
  auto body = [&](Cx mine) -> Task<int> { co_return co_await timeout(mine, 50ms, slow_answer, 4); };
  EXPECT_EQ(run(body(cx)).value(), 4);
  EXPECT_EQ(stepper.now(), at(20ms));
}

TEST_F(Timeouts, AFunctionThatIsLateIsCancelledWithAllThatItHasStartedBeforeTimedOutIsGiven) {
  int ended = 0;
  auto child = [&ended](Cx mine) -> Task<> {
    (void)co_await mine.sleep(1h).outcome();
    MaskGuard mask = mine.mask();
    co_await mine.sleep(3ms);
    ++ended;
  };
  auto work = [&](Cx mine, Scope<>& inner) -> Task<int> {
    co_await inner.launch(mine, UnsafeSend(child));
    co_await inner.launch(mine, UnsafeSend(child));
    co_await mine.sleep(1h);
    co_return 1;
  };
  auto body = [&](Cx mine) -> Task<int> { co_return co_await timeout(mine, 5ms, work); };
  const Outcome<int> outcome = run(body(cx));
  ASSERT_TRUE(outcome.is_err());
  EXPECT_EQ(outcome.error().code(), ErrorCode::TimedOut);
  EXPECT_EQ(outcome.error().message(), "timeout: 5.000ms have passed, and the function has not ended");
  ASSERT_NE(outcome.error().cancel_reason(), nullptr);
  EXPECT_EQ(outcome.error().cancel_reason()->kind(), CancelKind::Deadline);
  EXPECT_EQ(ended, 2);
  EXPECT_EQ(stepper.now(), at(8ms));
}

enum class End { Ok, Err, Panic };
Task<int> ends_when_asked(Cx cx, End end) {
  (void)co_await cx.sleep(1h).outcome();
  if (end == End::Err) co_await fail(ErrorCode::User, "late");
  if (end == End::Panic) throw std::runtime_error("late panic");
  co_return 9;
}

TEST_F(Timeouts, AValueOrPanicOfTheDrainStandsAnErrDoesNot) {
  auto body = [](Cx mine, End end) -> Task<int> {
    co_return co_await timeout(mine, 5ms, ends_when_asked, end);
  };
  EXPECT_EQ(run(body(cx, End::Ok)).value(), 9);
  EXPECT_EQ(run(body(cx, End::Err)).error().code(), ErrorCode::TimedOut);
  EXPECT_TRUE(run(body(cx, End::Panic)).is_panicked());
}

Task<int> fails_early(Cx cx) {
  co_await cx.sleep(1ms);
  co_await fail(ErrorCode::Io, "broken");
  co_return 0;
}

TEST_F(Timeouts, AnErrInTimeIsItsOwn) {
  auto body = [](Cx mine) -> Task<int> { co_return co_await timeout(mine, 5ms, fails_early); };
  EXPECT_EQ(run(body(cx)).error().message(), "broken");
}

TEST_F(Timeouts, ARequestFromOutsideCancelsAndIsNoTimeout) {
  auto body = [](Cx mine) -> Task<int> { co_return co_await timeout(mine, 5ms, slow_answer, 1); };
  auto handle = scope.spawn(cx, UnsafeSend(body)).value();
  stepper.run_until_idle();
  handle.abort();
  EXPECT_TRUE(stepper.run(handle.join(cx)).is_cancelled());
  EXPECT_EQ(stepper.now(), at(0ms));

  Event never;
  auto waiting = [&never](Cx mine) -> Task<> { co_await timeout(mine, 5ms, never.wait()); };
  auto other = scope.spawn(cx, UnsafeSend(waiting)).value();
  stepper.run_until_idle();
  other.abort();
  EXPECT_TRUE(stepper.run(other.join(cx)).is_cancelled());
  EXPECT_EQ(never.statistics().waiters, 0u);
}

TEST_F(Timeouts, ATaskThatIsCancelledAlreadyIsRefused) {
  Event ready;
  ready.set();
  auto waiting = [&ready](Cx mine) -> Task<> { co_await timeout(mine, 5ms, ready.wait()); };
  auto handle = scope.spawn(cx, UnsafeSend(waiting)).value();
  handle.abort();
  EXPECT_TRUE(stepper.run(handle.join(cx)).is_cancelled());
}

TEST_F(Timeouts, ADeadlineAboveEndsTheTaskItself) {
  auto inside = [](Cx mine, Scope<>&) -> Task<int> { co_return co_await timeout(mine, 50ms, slow_answer, 1); };
  auto body = [&](Cx mine) -> Task<int> { co_return co_await deadline(mine, Time::zero() + 5ms, inside); };
  const Outcome<int> outcome = run(body(cx));
  ASSERT_TRUE(outcome.is_err());  // O5: nobody asked the caller of `deadline`
  EXPECT_EQ(outcome.error().code(), ErrorCode::TimedOut);
  EXPECT_EQ(stepper.now(), at(5ms));
}

TEST_F(Timeouts, ADeadlineRegionGivesWhatItsBodyGivesInTime) {
  auto inside = [](Cx mine, Scope<CollectAll>& own) -> Task<int> {
    EXPECT_EQ(own.budget().deadline, Time::zero() + 50ms);
    co_return co_await slow_answer(mine, 3);
  };
  auto body = [&](Cx mine) -> Task<int> {
    co_return co_await deadline(mine, Time::zero() + 50ms, CollectAll(), inside);
  };
  EXPECT_EQ(run(body(cx)).value(), 3);
}

TEST_F(Timeouts, WithoutATimerTheyAreRefusedBeforeAnythingHasBegun) {
  Capabilities none;
  none.timer = false;
  const Cx timeless = stepper.cx(root, none);
  Event ready;
  ready.set();
  bool begun = false;
  auto function = [&begun](Cx) -> Task<> {
    begun = true;
    co_return;
  };
  auto region_body = [&begun](Cx, Scope<>&) -> Task<> {
    begun = true;
    co_return;
  };
  auto timed = [&ready](Cx mine) -> Task<> { co_await timeout(mine, 5ms, ready.wait()); };
  const Outcome<> outcomes[] = {stepper.run(timeless, timed(timeless)),
                                stepper.run(timeless, timeout(timeless, 5ms, function)),
                                stepper.run(timeless, deadline(timeless, Time::max(), region_body))};
  for (const Outcome<>& outcome : outcomes) {
    ASSERT_TRUE(outcome.is_err());
    EXPECT_EQ(outcome.error().code(), ErrorCode::MissingCapability);
    EXPECT_NE(outcome.error().message().find("was given no timer"), std::string::npos);
  }
  EXPECT_FALSE(begun);
}

TEST_F(Timeouts, AValueThatCanOnlyBeMovedComesThrough) {
  auto make = [](Cx, std::unique_ptr<int> value) -> Task<std::unique_ptr<int>> { co_return value; };
  auto body = [&](Cx mine) -> Task<int> {
    auto value = co_await timeout(mine, 5ms, make, std::make_unique<int>(6));
    co_return *value;
  };
  EXPECT_EQ(run(body(cx)).value(), 6);
}

TEST_F(Timeouts, AStopwatchGoesByTheContextsClock) {
  auto body = [](Cx mine) -> Task<Duration> {
    Stopwatch watch(mine);
    co_await mine.sleep(3ms);
    EXPECT_EQ(watch.restart(), 3ms);
    co_await mine.sleep(4ms);
    EXPECT_EQ(now(mine), Time::zero() + 7ms);
    co_return watch.elapsed();
  };
  EXPECT_EQ(run(body(cx)).value(), 4ms);
}

TEST(RuntimeTimeouts, OnWorkersAFunctionThatIsLateIsTimedOut) {
  Runtime runtime = Runtime::builder().workers(2).build();
  auto work = [](Cx cx) -> Task<> { co_await cx.sleep(1h); };
  auto body = [&](Cx cx, Scope<>&) -> Task<> { co_await timeout(cx, 1ms, work); };
  const Outcome<> ended = runtime.block_on(body);
  ASSERT_TRUE(ended.is_err()) << ended;
  EXPECT_EQ(ended.error().code(), ErrorCode::TimedOut);
}

}  // namespace
}  // namespace quiesce
