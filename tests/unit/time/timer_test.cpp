#include "quiesce/timer.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "quiesce/runtime.hpp"
#include "quiesce/select.hpp"
#include "quiesce/sync/event.hpp"
#include "quiesce/timeout.hpp"
#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;

struct Timers : ::testing::Test, sync_tests::Desk {
  std::vector<std::pair<int, Duration>> woken;  // who, and when

  static Task<> waits(Cx cx, Timer* timer, Timers* test, int who) {
    co_await timer->wait(cx);
    test->woken.emplace_back(who, cx.now() - Time::zero());
  }
  TaskHandle<> line_up(Timer& timer, int who) {
    auto handle = spawn(waits, unsafe_send(&timer), unsafe_send(this), who);
    stepper.run_until_idle();
    return handle;
  }
  using Woken = std::vector<std::pair<int, Duration>>;
};

TEST_F(Timers, FiresAtItsTimeAndStaysFired) {
  Timer timer(cx, 10ms, "timer");
  EXPECT_TRUE(timer.is_armed());
  EXPECT_EQ(timer.deadline(), Time::zero() + 10ms);
  auto one = line_up(timer, 1), two = line_up(timer, 2);
  EXPECT_EQ(timer.statistics().waiters, 2u);
  stepper.advance(9'999'999ns);
  EXPECT_FALSE(timer.has_fired());
  stepper.advance(1ns);
  EXPECT_TRUE(timer.has_fired());
  EXPECT_FALSE(timer.is_armed());
  stepper.run_until_idle();
  stepper.advance(5ms);
  auto late = line_up(timer, 3);
  EXPECT_EQ(woken, (Woken{{1, 10ms}, {2, 10ms}, {3, 15ms}}));
  EXPECT_EQ(timer.statistics().waited, 2u);
}

TEST_F(Timers, ResetPutsItOffOrBringsItForwardAndKeepsItsWaiters) {
  Timer timer(cx, 10ms);
  auto one = line_up(timer, 1);
  stepper.advance(8ms);
  EXPECT_TRUE(timer.reset(10ms));
  stepper.advance(9ms);
  stepper.run_until_idle();
  EXPECT_EQ(woken, Woken{});
  EXPECT_TRUE(timer.reset(Time::zero() + 17'500us));
  stepper.advance(1ms);
  stepper.run_until_idle();
  EXPECT_EQ(woken, (Woken{{1, 18ms}}));
  EXPECT_FALSE(timer.reset(1ms)) << "it had fired";
  EXPECT_FALSE(timer.has_fired());
  auto two = line_up(timer, 2);
  stepper.advance(1ms);
  stepper.run_until_idle();
  EXPECT_EQ(woken, (Woken{{1, 18ms}, {2, 19ms}}));
}

TEST_F(Timers, ATimerThatIsStoppedKeepsItsWaitersUntilItIsArmedAgain) {
  Timer timer(cx, 10ms);
  auto one = line_up(timer, 1);
  EXPECT_TRUE(timer.stop());
  EXPECT_FALSE(timer.stop()) << "it was stopped";
  EXPECT_FALSE(timer.is_armed());
  stepper.advance(1h);
  stepper.run_until_idle();
  EXPECT_EQ(woken, Woken{});
  EXPECT_FALSE(timer.has_fired());
  EXPECT_EQ(timer.statistics().waiters, 1u);
  EXPECT_FALSE(timer.reset(1ms)) << "it was not armed";
  stepper.advance(1ms);
  stepper.run_until_idle();
  EXPECT_EQ(woken, (Woken{{1, 1h + 1ms}}));
  EXPECT_FALSE(timer.stop()) << "it had fired";
  EXPECT_TRUE(timer.has_fired()) << "stopping it does not change that";
}

TEST_F(Timers, ANewOneIsNotArmed) {
  Timer timer(cx);
  auto one = line_up(timer, 1);
  stepper.advance(1h);
  stepper.run_until_idle();
  EXPECT_EQ(woken, Woken{});
  EXPECT_FALSE(timer.is_armed());
  EXPECT_FALSE(timer.has_fired());
  EXPECT_EQ(timer.deadline(), Time::zero());
  timer.reset(0ms);
  stepper.run_until_idle();
  EXPECT_EQ(woken, (Woken{{1, 1h}}));
}

TEST_F(Timers, ATimeThatHasPassedFiresAtOnceAndOneBeyondAllNever) {
  stepper.advance(1h);
  Timer past(cx, Time::zero() + 1ms), never(cx, Duration::max());
  stepper.run_until_idle();
  EXPECT_TRUE(past.has_fired());
  EXPECT_EQ(never.deadline(), Time::max());
  EXPECT_TRUE(never.stop());
}

TEST_F(Timers, ByResetItIsPeriodicWithoutDrift) {
  auto body = [](Cx mine) -> Task<std::vector<Duration>> {
    Timer beat(mine, 10ms);
    std::vector<Duration> came;
    for (int i = 0; i < 4; ++i) {
      co_await beat.wait(mine);
      came.push_back(mine.now() - Time::zero());
      co_await mine.sleep(3ms);
      beat.reset(beat.deadline() + 10ms);
    }
    co_return came;
  };
  EXPECT_EQ(run(body(cx)).value(), (std::vector<Duration>{10ms, 20ms, 30ms, 40ms}));
}

TEST_F(Timers, AWaiterThatWasWokenGoesOnThoughItIsResetJustThen) {
  Timer timer(cx, 10ms);
  auto one = line_up(timer, 1);
  stepper.advance(10ms);
  timer.reset(1h);
  stepper.run_until_idle();
  EXPECT_EQ(woken, (Woken{{1, 10ms}}));
  EXPECT_TRUE(timer.is_armed());
}

TEST_F(Timers, AWaitThatIsCancelledLeavesTheListAndTheTimerGoesOn) {
  Timer timer(cx, 10ms);
  auto one = line_up(timer, 1), two = line_up(timer, 2);
  one.abort();
  stepper.run_until_idle();
  EXPECT_EQ(timer.statistics().waiters, 1u);
  stepper.advance(10ms);
  stepper.run_until_idle();
  EXPECT_EQ(woken, (Woken{{2, 10ms}}));
}

TEST_F(Timers, ATaskCancelledBeforeItStartsDoesNotGoOnThoughItHasFired) {
  Timer timer(cx, 0ms);
  stepper.run_until_idle();
  ASSERT_TRUE(timer.has_fired());
  auto handle = spawn(waits, unsafe_send(&timer), unsafe_send(static_cast<Timers*>(this)), 1);
  handle.abort();
  stepper.run_until_idle();
  EXPECT_EQ(woken, Woken{});
}

TEST_F(Timers, AnIdleTimeoutIsPutOffByEachMessage) {
  Event message;
  auto body = [&](Cx mine) -> Task<Duration> {
    Timer idle(mine, 10ms, "idle");
    for (;;) {
      auto next = co_await select(mine, message.wait(), idle.wait());
      if (next.index() == 1) co_return mine.now() - Time::zero();
      message.reset();
      idle.reset(10ms);
    }
  };
  auto server = spawn(unsafe_send(body));
  for (int i = 0; i < 3; ++i) {
    stepper.advance(7ms);
    message.set();
    stepper.run_until_idle();
  }
  stepper.advance(10ms);
  EXPECT_EQ(joined(server).value(), 31ms);
}

TEST_F(Timers, AWaitMayHaveATimeOfItsOwn) {
  Timer timer(cx, 1h);
  auto body = [&](Cx mine) -> Task<> { co_await timeout(mine, 5ms, timer.wait()); };
  const Outcome<> late = run(body(cx));
  ASSERT_TRUE(late.is_err());
  EXPECT_EQ(late.error().code(), ErrorCode::TimedOut);
  EXPECT_EQ(timer.statistics().waiters, 0u);
  EXPECT_TRUE(timer.is_armed());
}

TEST_F(Timers, DestroyingOneStopsIt) {
  { Timer timer(cx, 10ms); }
  EXPECT_EQ(stepper.run_until_idle(), 0u);
  std::optional<Timer> timer(std::in_place, cx, 10ms);
  auto one = line_up(*timer, 1);
  stepper.advance(10ms);
  stepper.run_until_idle();
  timer.reset();
  EXPECT_EQ(woken, (Woken{{1, 10ms}}));
}

TEST_F(Timers, ATaskThatWaitsSaysForWhat) {
  Timer timer(cx, 1h, "lunch");
  auto one = line_up(timer, 1);
  const auto seen = stepper.task(one.task_id());
  EXPECT_EQ(seen->waiting_for, "a timer");
  one.abort();
  stepper.run_until_idle();
}

TEST_F(Timers, AnotherTaskStopsAndArmsItAndWaitsWithoutACapabilityOfItsOwn) {
  Timer timer(cx, 10ms);
  auto waiter = [&](BasicCx<cap::None> mine) -> Task<> { co_await timer.wait(mine); };
  auto waiting = spawn(unsafe_send(waiter));
  auto control = [&](Cx mine) -> Task<bool> {
    const bool stopped = timer.stop();
    timer.reset(20ms);
    co_await mine.yield();
    co_return stopped;
  };
  auto controlling = spawn(unsafe_send(control));
  EXPECT_TRUE(joined(controlling).value());
  stepper.advance(20ms);
  EXPECT_TRUE(joined(waiting).is_ok());
}

// ---- misuse ----

TEST_F(Timers, AContextWithoutATimerIsRefused) {
  Capabilities none;
  none.timer = false;
  const Cx timeless = stepper.cx(root, none);
  auto body = [](Cx mine) -> Task<> {
    Timer timer(mine);
    co_await timer.wait(mine);
  };
  const Outcome<> ended = stepper.run(timeless, body(timeless));
  ASSERT_TRUE(ended.is_panicked());
  EXPECT_NE(
      ended.panic().message().find("Timer: this context was given no timer (Capabilities::timer), without "
                                   "which nothing fires"),
      std::string::npos)
      << ended.panic().message();
  try {
    Timer timer(timeless);
    FAIL() << "it was made";
  } catch (const UsageError& refused) { EXPECT_EQ(refused.error().code(), ErrorCode::MissingCapability); }
}

TEST_F(Timers, AContextWhoseTaskHasEndedIsRefused) {
  Cx kept;
  auto body = [&](Cx mine) -> Task<> {
    kept = mine;
    co_return;
  };
  auto ended = spawn(unsafe_send(body));
  EXPECT_TRUE(joined(ended).is_ok());
  try {
    Timer timer(kept, 1s);
    FAIL() << "it was made";
  } catch (const UsageError& refused) { EXPECT_EQ(refused.error().code(), ErrorCode::StaleContext); }
}

TEST_F(Timers, DestroyingOneThatTasksWaitForEndsTheProgramWithASentence) {
  EXPECT_DEATH(
      {
        std::optional<Timer> timer(std::in_place, cx, 1h);
        auto waiting = line_up(*timer, 1);
        timer.reset();
      },
      "a quiesce::Timer is destroyed while tasks wait for it: it must outlive them");
}

void outlive(bool is_armed, bool is_used) {
  std::optional<Timer> timer;
  {
    Runtime rt = Runtime::builder().workers(1).build();
    auto body = [&](Cx cx, Scope<>&) -> Task<> {
      timer.emplace(cx, 1h);
      if (!is_armed) timer->stop();
      co_return;
    };
    (void)rt.block_on(body);
  }
  if (is_used) timer->reset(Time::zero());
}

TEST(TimerLifetime, OneThatIsArmedMustNotOutliveItsRuntime) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(outlive(true, false),
               "a Runtime is destroyed while a quiesce::Timer of its is armed: stop it before");
  EXPECT_DEATH(
      {
        std::optional<Timer> timer;
        testing::Stepper stepper;
        timer.emplace(stepper.cx(stepper.create_root_region()), 1h);
        stepper.~Stepper();
      },
      "a Stepper is destroyed while a quiesce::Timer of its is armed");
}

TEST(TimerLifetime, OneThatIsNotMayButCannotBeArmedThen) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  outlive(false, false);
  EXPECT_DEATH(outlive(false, true), "a quiesce::Timer is used after its runtime was destroyed");
}

// ---- in production ----

TEST(TimerInProduction, FiresOnAWorkerAndWakesTheOneThatSleeps) {
  Runtime rt = Runtime::builder().workers(2).build();
  auto body = [](Cx cx, Scope<>&) -> Task<Duration> {
    const Time start = cx.now();
    Timer timer(cx, 1h);
    timer.reset(3ms);
    co_await timer.wait(cx);
    co_return cx.now() - start;
  };
  const Outcome<Duration> took = rt.block_on(body);
  ASSERT_TRUE(took.is_ok());
  EXPECT_GE(took.value(), 3ms);
}

TEST(TimerInProduction, ADurationCountsFromNoEarlierThanItsArmingAndHardlyLater) {
  Runtime rt = Runtime::builder().workers(1).build();
  auto body = [](Cx cx, Scope<>&) -> Task<> {
    Timer timer(cx);
    for (int i = 0; i < 2000; ++i) {
      const Time before = cx.now();
      for (int burst = 0; burst < i % 50; ++burst) timer.reset(1h);
      timer.reset(1h);
      EXPECT_GE(timer.deadline(), before + 1h);
      EXPECT_LE(timer.deadline(), cx.now() + 1h + 33us);
      if (i % 16 == 0) co_await cx.yield();
    }
  };
  EXPECT_TRUE(rt.block_on(body).is_ok());
}

TEST(TimerInProduction, AThreadThatRunsNoTaskMayStopAndArmIt) {
  Runtime rt = Runtime::builder().workers(2).build();
  auto body = [](Cx cx, Scope<>&) -> Task<bool> {
    Timer timer(cx, 1h);
    bool stopped = false;
    std::thread outside([&] {
      stopped = timer.stop();
      timer.reset(1ms);
    });
    co_await timer.wait(cx);
    outside.join();
    co_return stopped;
  };
  EXPECT_TRUE(rt.block_on(body).value());
}

}  // namespace
}  // namespace quiesce
