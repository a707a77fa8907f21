// Timers in the lab: armed, put off and stopped by one task while others wait.
#include "quiesce/timer.hpp"

#include "lab/sync/exploring.hpp"
#include "quiesce/select.hpp"

namespace quiesce::lab_tests {
namespace {

using namespace std::chrono_literals;

struct Alarm {
  Timer timer;
  int heard = 0, given_up = 0, stopped = 0;
  explicit Alarm(Cx cx) : timer(cx, 10ms, "alarm") {}
};

Task<> hear(Cx cx, Alarm* alarm) {
  struct Ended {
    Alarm* alarm;
    bool heard = false;
    explicit Ended(Alarm* of) : alarm(of) {}
    ~Ended() { ++(heard ? alarm->heard : alarm->given_up); }
  } ended(alarm);
  co_await alarm->timer.wait(cx);
  ended.heard = true;
  lab::check(cx.now() >= Time::zero() + 10ms, "not before its time");
}

/// Puts it off at the very moment at which it fires, or just before.
Task<> put_off(Cx cx, Alarm* alarm) {
  co_await cx.sleep(10ms);
  if (alarm->timer.stop()) ++alarm->stopped;
  alarm->timer.reset(5ms);
}

template <int listeners>
Task<> alarms(Cx cx, Scope<>&) {
  Alarm alarm(cx);
  auto inside = [&alarm](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int i = 0; i < listeners; ++i) co_await scope.launch(mine, hear, unsafe_send(&alarm));
    co_await scope.launch(mine, put_off, unsafe_send(&alarm));
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(alarm.timer.statistics().waiters == 0, "nobody is left in the list");
  lab::check(alarm.heard + alarm.given_up <= listeners, "each listener has ended once");
  lab::sometimes(alarm.heard == listeners, "all have heard it");
}

TEST(LabTimer, WhoeverWaitsIsToldOnceOrCancelled) {
  expect_holds(alarms<2>);
  EXPECT_GE(expect_exhausted(alarms<2>), 6u);
}

TEST(LabTimer, DporSeesEveryClass) { expect_every_class(alarms<1>); }

// Of a stop and a reset at the same time the later one counts: it is armed and fires, or it is not.
Task<> stops(Cx, Timer* timer, int* stopped) {
  if (timer->stop()) ++*stopped;
  co_return;
}
Task<> arms(Cx, Timer* timer, int* renewed) {
  if (timer->reset(20ms)) ++*renewed;
  co_return;
}
Task<> stopped_and_armed(Cx cx, Scope<>&) {
  Timer timer(cx, 10ms);
  int stopped = 0, renewed = 0;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    co_await scope.launch(mine, stops, unsafe_send(&timer), unsafe_send(&stopped));
    co_await scope.launch(mine, arms, unsafe_send(&timer), unsafe_send(&renewed));
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::sometimes(stopped == 1 && renewed == 1, "put off, then stopped");
  lab::sometimes(stopped == 1 && renewed == 0 && timer.is_armed(), "stopped, then armed");
  if (stopped == 1 && renewed == 1) lab::check(!timer.is_armed(), "the stop was last");
  MaskGuard mask = cx.mask();
  co_await cx.sleep(30ms);
  lab::check(!timer.is_armed(), "what was armed has fired");
}

TEST(LabTimer, AStopAndAResetAtTheSameTimeAreDoneOneAfterTheOther) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 200}, stopped_and_armed));
  EXPECT_GE(expect_exhausted(stopped_and_armed), 2u);
  expect_every_class(stopped_and_armed);
}

// A loser of a select leaves the timer as it was.
Task<> chosen(Cx cx, Scope<>&) {
  Timer slow(cx, 20ms), fast(cx, 10ms);
  auto inside = [&](Cx mine, Scope<>&) -> Task<> {
    auto first = co_await select(mine, slow.wait(), fast.wait());
    lab::check(first.index() == 1, "the one that fired first");
    fast.stop();
    fast.reset(10ms);
    auto second = co_await select(mine, slow.wait(), fast.wait());
    lab::check(second.index() == 0, "of two at the same moment the one that was armed first");
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  lab::check(slow.statistics().waiters + fast.statistics().waiters == 0, "no trace");
}

TEST(LabTimer, ALoserOfASelectLeavesNoTrace) { expect_holds(chosen, 200); }

/// On production's own workers, whose wheels these are.
TEST(LabTimer, MovesBetweenTheWheelsOfWorkers) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(),
                              .seed = 3,
                              .max_runs = 300,
                              .workers = 2,
                              .scheduling = lab::Scheduling::workers},
                             alarms<2>));
}

}  // namespace
}  // namespace quiesce::lab_tests
