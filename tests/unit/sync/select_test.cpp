#include "quiesce/select.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <variant>

#include "quiesce/sync/event.hpp"
#include "quiesce/sync/semaphore.hpp"
#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using sync_tests::Desk;
using ::testing::HasSubstr;

struct Things {
  Event left{"left"}, right{"right"};
  Semaphore permits{1, "permits"};
  std::size_t chosen = 99;
};

Task<> fairly(Cx cx, Things* things) {
  auto first = co_await select(cx, things->left.wait(), things->right.wait(), cx.sleep(5ms));
  things->chosen = first.index();
}
Task<> in_order(Cx cx, Things* things) {
  auto first = co_await select_biased(cx, things->left.wait(), things->right.wait());
  things->chosen = first.index();
}

struct Choosing : Desk {
  Things things;
  template <class F>
  std::size_t choose(F body) {
    things.chosen = 99;
    auto handle = spawn(body, unsafe_send(&things));
    EXPECT_TRUE(stepper.run(handle.join(cx)).is_ok());
    return things.chosen;
  }
};

TEST(Select, OfSeveralThatAreReadyItDrawsAndTheBiasedTakesTheFirst) {
  Choosing desk;
  desk.things.left.set();
  desk.things.right.set();
  std::set<std::size_t> drawn;
  for (int i = 0; i < 40; ++i) {
    drawn.insert(desk.choose(fairly));
    EXPECT_EQ(desk.choose(in_order), 0u);
  }
  EXPECT_EQ(drawn, (std::set<std::size_t>{0, 1}));
}

TEST(Select, TheFirstThatComesWinsAndTheOthersLeaveNoTrace) {
  Choosing desk;
  auto handle = desk.spawn(fairly, unsafe_send(&desk.things));
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.things.left.statistics().waiters, 1u);
  desk.things.right.set();
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.things.chosen, 1u);
  EXPECT_EQ(desk.things.left.statistics().waiters, 0u);
  EXPECT_EQ(desk.things.right.statistics().waiters, 0u);
  EXPECT_TRUE(handle.is_finished());
}

TEST(Select, TimeWinsWhenNothingElseComes) {
  Choosing desk;
  auto handle = desk.spawn(fairly, unsafe_send(&desk.things));
  desk.stepper.run_until_idle();
  desk.stepper.advance(4ms);
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.things.chosen, 99u);
  desk.stepper.advance(2ms);
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.things.chosen, 2u);
  EXPECT_EQ(desk.things.left.statistics().waiters + desk.things.right.statistics().waiters, 0u);
}

TEST(Select, ARequestLeavesNoTraceOfAnyBranch) {
  Choosing desk;
  auto handle = desk.spawn(fairly, unsafe_send(&desk.things));
  desk.stepper.run_until_idle();
  handle.abort();
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.things.chosen, 99u);
  EXPECT_EQ(desk.things.left.statistics().waiters + desk.things.right.statistics().waiters, 0u);
  EXPECT_TRUE(desk.stepper.run(handle.join(desk.cx)).is_cancelled());
}

TEST(Select, ATaskCancelledBeforeItStartsTakesNothingThatIsReady) {
  Choosing desk;
  desk.things.left.set();
  auto handle = desk.spawn(fairly, unsafe_send(&desk.things));
  handle.abort();
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.things.chosen, 99u);
}

Task<> with_values(Cx cx, Things* things) {
  auto first = co_await select(cx, things->left.wait(), things->permits.acquire());
  things->chosen = first.index();
  SemaphorePermit& permit = std::get<1>(first);
  EXPECT_EQ(permit.count(), 1u);
  EXPECT_EQ(things->permits.available_permits(), 0u);
}

TEST(Select, GivesWhatTheWinnerGives) {
  Choosing desk;
  EXPECT_EQ(desk.choose(with_values), 1u);
  EXPECT_EQ(desk.things.permits.available_permits(), 1u);
}

Task<> with_a_branch_that_fails(Cx cx, Things* things) {
  things->permits.close();
  auto seen = co_await select_biased(cx, things->permits.acquire().outcome(), things->left.wait());
  EXPECT_TRUE(std::get<0>(seen).is_err());
  auto whole = co_await select_biased(cx, things->permits.acquire(), things->left.wait()).outcome();
  EXPECT_TRUE(whole.is_err());
  things->chosen = 7;
  (void)co_await select_biased(cx, things->permits.acquire(), things->left.wait());
  ADD_FAILURE() << "a branch that fails ends the coroutine";
}

TEST(Select, ABranchThatFailsEndsTheCoroutineUnlessItIsObserved) {
  Choosing desk;
  auto handle = desk.spawn(with_a_branch_that_fails, unsafe_send(&desk.things));
  const Outcome<> ended = desk.stepper.run(handle.join(desk.cx));
  EXPECT_EQ(desk.things.chosen, 7u);
  ASSERT_TRUE(ended.is_err());
  EXPECT_EQ(ended.error().code(), ErrorCode::Disconnected);
}

Task<int> answer(Cx cx, int value) {
  co_await cx.sleep(1ms);
  co_return value;
}

Task<> with_a_join(Cx cx, Scope<CollectAll> scope, Things* things) {
  auto quick = co_await scope.spawn(cx, answer, 42);
  auto first = co_await select(cx, quick.join(cx), things->left.wait());
  EXPECT_EQ(std::get<0>(first), 42);
  auto slow = co_await scope.spawn(cx, answer, 43);
  things->left.set();
  auto second = co_await select(cx, slow.join(cx), things->left.wait());
  EXPECT_EQ(second.index(), 1u);
  int value = co_await slow.join(cx);  // what did not win keeps its result
  EXPECT_EQ(value, 43);
  auto done = co_await scope.spawn(cx, answer, 44);
  co_await cx.sleep(2ms);
  auto third = co_await select_biased(cx, things->left.wait(), done.join(cx));
  EXPECT_EQ(third.index(), 0u);
  value = co_await done.join(cx);
  EXPECT_EQ(value, 44);
  things->chosen = 1;
}

TEST(Select, AJoinThatDoesNotWinKeepsItsResult) {
  Choosing desk;
  auto handle = desk.spawn(with_a_join, desk.scope, unsafe_send(&desk.things));
  const Outcome<> ended = desk.stepper.run(handle.join(desk.cx));
  EXPECT_TRUE(ended.is_ok()) << ended;
  EXPECT_EQ(desk.things.chosen, 1u);
}

Task<> with_anothers_context(Cx cx, Cx other, Things* things) {
  auto seen = co_await select(other, things->left.wait(), cx.sleep(1ms)).outcome();
  EXPECT_TRUE(seen.is_err());
  EXPECT_EQ(seen.error().code(), ErrorCode::ForeignContext);
  EXPECT_THAT(seen.error().message(), HasSubstr("through its own context"));
  things->chosen = 3;
}

TEST(Select, AnotherTasksContextIsRefused) {
  Choosing desk;
  auto handle = desk.spawn(with_anothers_context, desk.cx, unsafe_send(&desk.things));
  EXPECT_TRUE(desk.stepper.run(handle.join(desk.cx)).is_ok());
  EXPECT_EQ(desk.things.chosen, 3u);
}

}  // namespace
}  // namespace quiesce
