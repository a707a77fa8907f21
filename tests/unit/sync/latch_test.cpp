#include "quiesce/sync/latch.hpp"

#include <gtest/gtest.h>

#include "quiesce/select.hpp"
#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using sync_tests::Desk;

Task<> wait_for(Cx cx, Latch* latch) { co_await latch->wait(cx); }

TEST(Latch, OpensAtZeroForAllThatWaitAndForAllThatCome) {
  Desk desk;
  Latch latch(3, "loaded");
  auto one = desk.spawn(wait_for, unsafe_send(&latch));
  auto two = desk.spawn(wait_for, unsafe_send(&latch));
  desk.stepper.run_until_idle();
  EXPECT_FALSE(latch.count_down());
  EXPECT_FALSE(latch.try_wait());
  EXPECT_EQ(desk.stepper.run_until_idle(), 0u);
  EXPECT_EQ(latch.statistics().left, 2u);
  EXPECT_EQ(latch.statistics().waiters, 2u);
  EXPECT_TRUE(latch.count_down(2));
  EXPECT_TRUE(latch.try_wait());
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(one).is_ok());
  EXPECT_TRUE(desk.joined(two).is_ok());
  EXPECT_TRUE(desk.run(wait_for(desk.cx, &latch)).is_ok());
  EXPECT_EQ(latch.statistics().waited, 2u);
}

TEST(Latch, DoesNotGoBelowZero) {
  Latch latch(2);
  EXPECT_TRUE(latch.count_down(5));
  EXPECT_FALSE(latch.count_down()) << "it was open";
  EXPECT_EQ(latch.statistics().left, 0u);
  EXPECT_TRUE(Latch(0).try_wait());
}

TEST(Latch, AWaitThatIsCancelledLeavesTheList) {
  Desk desk;
  Latch latch(1);
  auto leaves = desk.spawn(wait_for, unsafe_send(&latch));
  auto early = desk.spawn(wait_for, unsafe_send(&latch));
  early.abort();
  desk.stepper.run_until_idle();
  leaves.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(leaves).is_cancelled());
  EXPECT_TRUE(desk.joined(early).is_cancelled());
  EXPECT_EQ(latch.statistics().waiters, 0u);
}

Task<std::size_t> wait_a_little(Cx cx, Latch* latch) {
  auto first = co_await select_biased(cx, latch->wait(), cx.sleep(1ms));
  co_return first.index();
}

TEST(Latch, TakesPartInASelect) {
  Desk desk;
  Latch latch(1);
  EXPECT_EQ(desk.run(wait_a_little(desk.cx, &latch)).value(), 1u);
  EXPECT_EQ(latch.statistics().waiters, 0u);
  latch.count_down();
  EXPECT_EQ(desk.run(wait_a_little(desk.cx, &latch)).value(), 0u);
}

}  // namespace
}  // namespace quiesce
