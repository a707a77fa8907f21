#include "quiesce/detail/exec/idle_set.hpp"

#include <gtest/gtest.h>

namespace quiesce::detail {
namespace {

TEST(IdleSet, AtMostHalfOfTheWorkersSearch) {
  IdleSet<> one(1), four(4), five(5);
  EXPECT_TRUE(one.try_become_searcher());
  EXPECT_FALSE(one.try_become_searcher());
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(four.try_become_searcher());
  EXPECT_FALSE(four.try_become_searcher());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(five.try_become_searcher());
  EXPECT_FALSE(five.try_become_searcher());
  EXPECT_EQ(five.searching(), 3u);
}

TEST(IdleSet, NoMoreSearchThanHalfOfTheProcessorsCouldRun) {
  IdleSet<> crowded(32, 2), roomy(4, 64), unknown(4, 0);
  EXPECT_TRUE(crowded.may_search());
  EXPECT_TRUE(crowded.try_become_searcher());
  EXPECT_FALSE(crowded.may_search());
  EXPECT_FALSE(crowded.try_become_searcher());
  for (IdleSet<>* idle : {&roomy, &unknown}) {
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(idle->try_become_searcher());
    EXPECT_FALSE(idle->try_become_searcher());
  }
}

TEST(IdleSet, TheLastToStopSearchingIsTold) {
  IdleSet<> idle(4);
  ASSERT_TRUE(idle.try_become_searcher());
  ASSERT_TRUE(idle.try_become_searcher());
  EXPECT_FALSE(idle.stop_searching());
  EXPECT_TRUE(idle.stop_searching());
  EXPECT_EQ(idle.searching(), 0u);
}

TEST(IdleSet, AWakeNamesTheWorkerThatParkedLastAndCountsItAsSearching) {
  IdleSet<> idle(4);
  EXPECT_EQ(idle.claim_one(), std::nullopt);
  idle.prepare_park(2);
  idle.prepare_park(0);
  EXPECT_EQ(idle.parked(), 2u);
  EXPECT_EQ(idle.claim_one(), 0u);
  EXPECT_EQ(idle.parked(), 1u);
  EXPECT_EQ(idle.searching(), 1u);
  EXPECT_EQ(idle.finish_park(0), Woken::AsSearcher);
  EXPECT_TRUE(idle.stop_searching());
}

TEST(IdleSet, AWakeThatFindsASearcherDoesNotWakeAnother) {
  IdleSet<> idle(4);
  idle.prepare_park(0);
  idle.prepare_park(1);
  ASSERT_EQ(idle.claim_one(), 1u);
  EXPECT_EQ(idle.claim_one(), std::nullopt)
      << "worker 1 has been claimed, and searches although it has not run yet";
  EXPECT_EQ(idle.finish_park(1), Woken::AsSearcher);
  ASSERT_TRUE(idle.stop_searching());
  EXPECT_EQ(idle.claim_one(), 0u);
}

TEST(IdleSet, ADirectedWakeTakesThatWorkerAndIsNoSearcher) {
  IdleSet<> idle(3);
  for (std::uint32_t worker : {0u, 1u, 2u}) idle.prepare_park(worker);
  EXPECT_TRUE(idle.claim(1));
  EXPECT_FALSE(idle.claim(1)) << "it is being woken already";
  EXPECT_EQ(idle.parked(), 2u);
  EXPECT_EQ(idle.searching(), 0u);
  EXPECT_EQ(idle.finish_park(1), Woken::Directly);
  EXPECT_FALSE(idle.claim(1)) << "it is awake";
  EXPECT_EQ(idle.claim_any(), 2u);
  EXPECT_EQ(idle.claim_any(), 0u);
  EXPECT_EQ(idle.claim_any(), std::nullopt);
}

TEST(IdleSet, LeavingWithoutAClaimTakesTheWorkerOut) {
  IdleSet<> idle(2);
  idle.prepare_park(0);
  idle.prepare_park(1);
  EXPECT_EQ(idle.finish_park(0), Woken::Unclaimed);
  EXPECT_EQ(idle.parked(), 1u);
  EXPECT_EQ(idle.claim_one(), 1u);
  idle.prepare_park(0);
  EXPECT_EQ(idle.finish_park(0), Woken::Unclaimed);
}

TEST(IdleSetDeathTest, RefusesWhatNoWorkerMayDo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  IdleSet<> idle(2);
  idle.prepare_park(0);
  EXPECT_DEATH(idle.prepare_park(0), "parks twice");
  EXPECT_DEATH(idle.finish_park(1), "was not parked");
  EXPECT_DEATH((void)idle.stop_searching(), "was not searching");
}

}  // namespace
}  // namespace quiesce::detail
