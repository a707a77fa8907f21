#include "quiesce/detail/exec/parker.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace quiesce::detail {
namespace {

constexpr std::int64_t long_ago_ns = 1;

TEST(Parker, AnEarlierUnparkEndsTheNextParkOnce) {
  Parker<> parker;
  EXPECT_FALSE(parker.unpark());
  EXPECT_FALSE(parker.unpark());
  EXPECT_TRUE(parker.park());
  EXPECT_FALSE(parker.park(long_ago_ns)) << "two unparks before a park are one";
}

TEST(Parker, ADeadlineEndsAPark) {
  Parker<> parker;
  EXPECT_FALSE(parker.park(long_ago_ns));
  EXPECT_FALSE(parker.unpark()) << "nobody is asleep any more";
  EXPECT_TRUE(parker.park());
}

TEST(Parker, UnparkShowsWhatWasDoneBefore) {
  Parker<> parker;
  int value = 0;
  std::thread sleeper([&] {
    EXPECT_TRUE(parker.park());
    EXPECT_EQ(value, 1);
  });
  value = 1;
  parker.unpark();
  sleeper.join();
}

}  // namespace
}  // namespace quiesce::detail
