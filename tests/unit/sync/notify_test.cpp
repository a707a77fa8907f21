#include "quiesce/sync/notify.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "quiesce/select.hpp"
#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using sync_tests::Desk;

struct Bell {
  Notify notify{"bell"};
  std::vector<int> heard;
};

Task<> listen(Cx cx, Bell* bell, int who) {
  co_await bell->notify.notified(cx);
  bell->heard.push_back(who);
}

struct Listening : Desk {
  Bell bell;
  std::vector<TaskHandle<>> tasks;
  explicit Listening(int count) {
    for (int i = 0; i < count; ++i) tasks.push_back(spawn(listen, unsafe_send(&bell), i));
    stepper.run_until_idle();
  }
};

TEST(Notify, WakesTheOneThatHasWaitedLongest) {
  Listening desk(3);
  EXPECT_EQ(desk.bell.notify.statistics().waiters, 3u);
  desk.bell.notify.notify_one();
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.bell.heard, (std::vector{0}));
  desk.bell.notify.notify_one();
  desk.bell.notify.notify_one();
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.bell.heard, (std::vector{0, 1, 2}));
  EXPECT_FALSE(desk.bell.notify.statistics().is_stored);
}

TEST(Notify, StoresAtMostOne) {
  Desk desk;
  Bell bell;
  bell.notify.notify_one();
  bell.notify.notify_one();
  EXPECT_TRUE(bell.notify.statistics().is_stored);
  auto one = desk.spawn(listen, unsafe_send(&bell), 1);
  auto two = desk.spawn(listen, unsafe_send(&bell), 2);
  desk.stepper.run_until_idle();
  EXPECT_EQ(bell.heard, (std::vector{1}));
  bell.notify.notify_one();
  desk.stepper.run_until_idle();
  EXPECT_EQ(bell.heard, (std::vector{1, 2}));
}

TEST(Notify, WakesAllThatWaitAndStoresNothingForThoseWhoComeLater) {
  Listening desk(3);
  EXPECT_EQ(desk.bell.notify.notify_waiters(), 3u);
  auto later = desk.spawn(listen, unsafe_send(&desk.bell), 9);
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.bell.heard, (std::vector{0, 1, 2}));
  EXPECT_EQ(desk.bell.notify.statistics().waiters, 1u);
  EXPECT_EQ(desk.bell.notify.notify_waiters(), 1u);
  desk.stepper.run_until_idle();
}

TEST(Notify, OneThatIsCancelledWhileItWaitsLeavesTheNotificationToTheNext) {
  Listening desk(2);
  desk.tasks[0].abort();          // its request wins,
  desk.bell.notify.notify_one();  // so this is for the other, though the first is still in the list
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.bell.heard, (std::vector{1}));
  EXPECT_TRUE(desk.joined(desk.tasks[0]).is_cancelled());
}

TEST(Notify, OneThatWasNotifiedBeforeItsRequestGoesOn) {
  Listening desk(1);
  desk.bell.notify.notify_one();
  desk.tasks[0].abort();
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.bell.heard, (std::vector{0}));
  EXPECT_TRUE(desk.joined(desk.tasks[0]).is_ok());
}

TEST(Notify, ATaskCancelledBeforeItsStartTakesNoNotification) {
  Desk desk;
  Bell bell;
  bell.notify.notify_one();
  auto task = desk.spawn(listen, unsafe_send(&bell), 1);
  task.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(task).is_cancelled());
  EXPECT_TRUE(bell.notify.statistics().is_stored);
}

Task<std::size_t> first_of(Cx cx, Notify* a, Notify* b) {
  auto first = co_await select_biased(cx, a->notified(), b->notified(), cx.sleep(1ms));
  co_return first.index();
}

TEST(Notify, ASelectTakesOneNotificationAndLeavesTheOther) {
  Desk desk;
  Notify a, b;
  a.notify_one();
  b.notify_one();
  EXPECT_EQ(desk.run(first_of(desk.cx, &a, &b)).value(), 0u);
  EXPECT_TRUE(b.statistics().is_stored);
  EXPECT_EQ(desk.run(first_of(desk.cx, &a, &b)).value(), 1u);
  EXPECT_EQ(desk.run(first_of(desk.cx, &a, &b)).value(), 2u);
  EXPECT_EQ(a.statistics().waiters + b.statistics().waiters, 0u);
  EXPECT_EQ(a.statistics().waited, 1u);
}

}  // namespace
}  // namespace quiesce
