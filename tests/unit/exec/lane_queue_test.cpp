#include "quiesce/detail/exec/lane_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

namespace quiesce::detail {
namespace {

struct Item {
  int number = 0;
  Item* queue_next = nullptr;
};

class LaneQueueTest : public ::testing::Test {
 protected:
  using Lane = LaneQueue<Item>;
  static constexpr int deque_size = WorkDeque<Item>::capacity, half = deque_size / 2;

  void push(int count) {
    for (int i = 0; i < count; ++i) lane.push(&items.emplace_back(Item{static_cast<int>(items.size())}));
  }
  std::vector<int> pop_all() {
    std::vector<int> numbers;
    while (Item* item = lane.pop()) numbers.push_back(item->number);
    return numbers;
  }
  static std::vector<int> from_to(int first, int end) {
    std::vector<int> numbers;
    for (int i = first; i < end; ++i) numbers.push_back(i);
    return numbers;
  }

  std::deque<Item> items;
  Lane lane;
};

TEST_F(LaneQueueTest, GivesTheOldestFirst) {
  EXPECT_TRUE(lane.empty());
  push(deque_size);
  EXPECT_FALSE(lane.empty());
  EXPECT_FALSE(lane.seems_empty());
  EXPECT_EQ(pop_all(), from_to(0, deque_size));
  EXPECT_TRUE(lane.empty());
  EXPECT_EQ(lane.pop_overflow(), nullptr);
}

TEST_F(LaneQueueTest, WhatOverflowsComesWhenTheDequeIsEmptyInItsOrder) {
  push(deque_size + 1);  // the older half makes room
  std::vector<int> expected = from_to(half, deque_size + 1);
  const std::vector<int> older = from_to(0, half);
  expected.insert(expected.end(), older.begin(), older.end());
  EXPECT_EQ(pop_all(), expected);
}

TEST_F(LaneQueueTest, NothingIsLostHoweverManyOverflow) {
  constexpr int count = 10 * deque_size + 7;
  push(count);
  std::vector<int> got = pop_all();
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, from_to(0, count));
}

TEST_F(LaneQueueTest, OneThatHasOverflowedCanBeHadFirst) {
  push(deque_size + 1);
  EXPECT_EQ(lane.pop_overflow()->number, 0);
  EXPECT_EQ(lane.pop()->number, half);
  EXPECT_EQ(lane.pop_overflow()->number, 1);
}

TEST_F(LaneQueueTest, AThiefTakesOneOfTheDequeThenABatchOfTheOverflow) {
  push(deque_size + 1);
  Lane own;
  for (int i = half; i <= deque_size; ++i) EXPECT_EQ(lane.steal(own)->number, i);
  EXPECT_TRUE(own.empty()) << "of the deque one at a time";
  EXPECT_FALSE(lane.empty());
  EXPECT_EQ(lane.steal(own)->number, 0);
  int mine = 0;
  while (Item* item = own.pop()) EXPECT_EQ(item->number, ++mine);
  EXPECT_EQ(mine, std::min<int>(Lane::batch_max, half / 2 + 1) - 1);
  EXPECT_EQ(pop_all(), from_to(mine + 1, half));
}

}  // namespace
}  // namespace quiesce::detail
