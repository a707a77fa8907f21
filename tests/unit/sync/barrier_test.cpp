#include "quiesce/sync/barrier.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "quiesce/select.hpp"
#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using sync_tests::Desk;

Task<bool> arrive(Cx cx, Barrier* barrier) { co_return co_await barrier->arrive_and_wait(cx); }

TEST(Barrier, LetsAllThroughWhenTheLastArrivesAndOneLeads) {
  Desk desk;
  Barrier barrier(3, "phase");
  for (std::uint64_t round = 1; round <= 3; ++round) {
    std::vector<TaskHandle<bool>> tasks;
    for (int i = 0; i < 2; ++i) tasks.push_back(desk.spawn(arrive, unsafe_send(&barrier)));
    desk.stepper.run_until_idle();
    EXPECT_EQ(barrier.statistics().arrived, 2u);
    EXPECT_EQ(barrier.statistics().rounds, round - 1);
    tasks.push_back(desk.spawn(arrive, unsafe_send(&barrier)));
    desk.stepper.run_until_idle();
    int leaders = 0;
    for (auto& task : tasks) leaders += desk.joined(task).value() ? 1 : 0;
    EXPECT_EQ(leaders, 1);
    EXPECT_EQ(barrier.statistics().rounds, round);
    EXPECT_EQ(barrier.statistics().arrived, 0u);
  }
}

TEST(Barrier, AnArrivalThatIsCancelledIsWithdrawn) {
  Desk desk;
  Barrier barrier(3);
  auto leaves = desk.spawn(arrive, unsafe_send(&barrier));
  auto one = desk.spawn(arrive, unsafe_send(&barrier));
  desk.stepper.run_until_idle();
  leaves.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(leaves).is_cancelled());
  EXPECT_EQ(barrier.statistics().arrived, 1u);
  auto two = desk.spawn(arrive, unsafe_send(&barrier));
  desk.stepper.run_until_idle();
  EXPECT_EQ(barrier.statistics().rounds, 0u) << "it wants one more";
  auto three = desk.spawn(arrive, unsafe_send(&barrier));
  desk.stepper.run_until_idle();
  EXPECT_EQ(barrier.statistics().rounds, 1u);
}

TEST(Barrier, ARequestThatComesAsTheLastArrivesLetsTheOthersGoOn) {
  Desk desk;
  Barrier barrier(3);
  auto cancelled = desk.spawn(arrive, unsafe_send(&barrier));
  auto one = desk.spawn(arrive, unsafe_send(&barrier));
  desk.stepper.run_until_idle();
  auto last = desk.spawn(arrive, unsafe_send(&barrier));
  cancelled.abort();  // it has not moved yet: its arrival stands
  desk.stepper.step(last.task_id());
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(cancelled).is_cancelled());
  EXPECT_TRUE(desk.joined(last).value());
  EXPECT_FALSE(desk.joined(one).value());
  EXPECT_EQ(barrier.statistics().rounds, 1u);
}

TEST(Barrier, ATaskCancelledBeforeItsStartDoesNotArrive) {
  Desk desk;
  Barrier barrier(1);
  auto task = desk.spawn(arrive, unsafe_send(&barrier));
  task.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(task).is_cancelled());
  EXPECT_EQ(barrier.statistics().rounds, 0u);
}

TEST(Barrier, OfOneLetsItThroughAtOnceAndOfNoneRefuses) {
  Desk desk;
  Barrier one(1), none(0);
  EXPECT_TRUE(desk.run(arrive(desk.cx, &one)).value());
  auto refused = desk.run(arrive(desk.cx, &none));
  ASSERT_TRUE(refused.is_err());
  EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(refused.error().message(), "a barrier for no tasks lets nobody through: make it for one at least");
}

Task<std::size_t> arrive_or_give_up(Cx cx, Barrier* barrier) {
  auto first = co_await select(cx, barrier->arrive_and_wait(), cx.sleep(1ms));
  co_return first.index();
}

TEST(Barrier, AnArrivalThatASelectGivesUpIsWithdrawn) {
  Desk desk;
  Barrier barrier(2);
  EXPECT_EQ(desk.run(arrive_or_give_up(desk.cx, &barrier)).value(), 1u);
  EXPECT_EQ(barrier.statistics().arrived, 0u);
  auto waits = desk.spawn(arrive, unsafe_send(&barrier));
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.run(arrive_or_give_up(desk.cx, &barrier)).value(), 0u);
  EXPECT_TRUE(desk.joined(waits).is_ok());
}

}  // namespace
}  // namespace quiesce
