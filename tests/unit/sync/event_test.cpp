#include "quiesce/sync/event.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using sync_tests::Desk;

struct Race {
  Event start{"start"};
  std::vector<int> started;
};

Task<> take_part(Cx cx, Race* race, int who) {
  co_await race->start.wait(cx);
  race->started.push_back(who);
}

struct Track : Desk {
  Race race;
  TaskHandle<> line_up(int who) {
    auto handle = spawn(take_part, unsafe_send(&race), who);
    stepper.run_until_idle();
    return handle;
  }
};

TEST(Event, LetsAllGoOnInTheOrderInWhichTheyCameAndLaterOnesAtOnce) {
  Track desk;
  auto one = desk.line_up(1), two = desk.line_up(2);
  EXPECT_TRUE(desk.race.started.empty());
  EXPECT_EQ(desk.race.start.statistics().waiters, 2u);
  desk.race.start.set();
  desk.stepper.run_until_idle();
  auto late = desk.line_up(3);
  EXPECT_EQ(desk.race.started, (std::vector{1, 2, 3}));
  EXPECT_EQ(desk.race.start.statistics().waited, 2u);
}

TEST(Event, ResetMakesTasksWaitAgainButNotThoseWhoWereWoken) {
  Track desk;
  auto one = desk.line_up(1);
  desk.race.start.set();
  desk.race.start.reset();
  EXPECT_FALSE(desk.race.start.is_set());
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.race.started, (std::vector{1}));
  auto two = desk.line_up(2);
  EXPECT_EQ(desk.race.started, (std::vector{1}));
}

TEST(Event, AWaitThatIsCancelledLeavesTheList) {
  Track desk;
  auto one = desk.line_up(1);
  one.abort();
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.race.start.statistics().waiters, 0u);
  desk.race.start.set();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.race.started.empty());
}

TEST(Event, ATaskCancelledBeforeItStartsDoesNotGoOnThoughItIsSet) {
  Track desk;
  desk.race.start.set();
  auto handle = desk.spawn(take_part, unsafe_send(&desk.race), 1);
  handle.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.race.started.empty());
}

TEST(Event, ATaskThatWaitsSaysForWhat) {
  Track desk;
  auto one = desk.line_up(1);
  EXPECT_EQ(desk.stepper.task(one.task_id())->waiting_for, "an event");
}

}  // namespace
}  // namespace quiesce
