// When a worker leaves the tasks of others alone because its own have waited for locks: exec/shyness.hpp.
#include "quiesce/detail/exec/shyness.hpp"

#include <gtest/gtest.h>

namespace quiesce::detail {
namespace {

/// A worker that searches, works, waits and sleeps.
class ShynessTest : public ::testing::Test {
 protected:
  static constexpr std::int64_t work_ns = 160'000, much = work_ns / 10, little = work_ns / 20;

  void works(std::int64_t ns, std::int64_t of_it_waiting) {
    now_.at_ns += ns;
    now_.waited_ns += of_it_waiting;
    ++steps_;
  }
  bool is_shy() { return shyness_.is_shy(now_, steps_); }
  /// For how long it is, asked again and again; then it has slept.
  std::int64_t shy_for() {
    const std::int64_t since = now_.at_ns;
    while (is_shy()) now_.at_ns += 10'000;
    const std::int64_t lasted = now_.at_ns - since;
    shyness_.wake_up(now_);
    return lasted;
  }
  void look() { shyness_.look(now_); }

 private:
  Shyness shyness_;
  Shyness::Look now_{.at_ns = 1'000'000'000, .waited_ns = 5'000'000};
  std::uint64_t steps_ = 0;
};

TEST_F(ShynessTest, WhoHasNotWorkedIsNotShy) { EXPECT_FALSE(is_shy()); }

TEST_F(ShynessTest, WhoHasWaitedLittleIsNotShy) {
  shy_for();
  works(work_ns, little);
  EXPECT_EQ(shy_for(), 0);
}

TEST_F(ShynessTest, WhoHasWaitedMuchIsShyForTwiceAsLongEachTime) {
  shy_for();
  for (const std::int64_t expected :
       {50'000, 100'000, 200'000, 400'000, 800'000, 1'600'000, 3'200'000, 3'200'000}) {
    works(work_ns, much);
    EXPECT_EQ(shy_for(), expected);
  }
}

TEST_F(ShynessTest, WorkWithoutWaitsHalvesItUntilItIsGone) {
  shy_for();
  for (int i = 0; i < 3; ++i) {
    works(work_ns, much);
    shy_for();
  }
  for (const std::int64_t expected : {100'000, 50'000, 30'000, 20'000}) {
    works(work_ns, 0);
    EXPECT_EQ(shy_for(), expected);
  }
  for (int i = 0; i < 20; ++i) works(work_ns, 0), shy_for();
  works(work_ns, 0);
  EXPECT_EQ(shy_for(), 0);
}

TEST_F(ShynessTest, ASearchWithoutWorkChangesNothing) {
  shy_for();
  works(work_ns, much);
  EXPECT_TRUE(is_shy());
  EXPECT_EQ(shy_for(), 50'000);
  EXPECT_EQ(shy_for(), 0);
}

// However long it had been alone before.
TEST_F(ShynessTest, ALookWhileItWorksSeparatesWhatWasFromWhatIs) {
  shy_for();
  works(100 * work_ns, 0);
  look();
  works(work_ns, much);
  look();
  works(work_ns, 0);
  EXPECT_EQ(shy_for(), 50'000) << "between the last two looks";
  works(100 * work_ns, 0);
  look();
  works(work_ns, much);
  EXPECT_EQ(shy_for(), 100'000) << "since the last";
}

TEST_F(ShynessTest, WhatWasBeforeItSleptIsForgotten) {
  shy_for();
  works(work_ns, much);
  EXPECT_EQ(shy_for(), 50'000);
  works(work_ns, 0);
  EXPECT_EQ(shy_for(), 30'000) << "half, and no more of it";
}

}  // namespace
}  // namespace quiesce::detail
