#include "quiesce/detail/exec/deque.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <deque>
#include <vector>

namespace quiesce::detail {
namespace {

struct Item {
  int id = 0;
};
using SmallDeque = WorkDeque<Item, RealPlatform, 8>;

TEST(WorkDeque, IsEmptyAtFirst) {
  SmallDeque deque;
  EXPECT_TRUE(deque.empty());
  EXPECT_EQ(deque.size_approx(), 0u);
  EXPECT_EQ(deque.pop(), nullptr);
  EXPECT_EQ(deque.steal(), nullptr);
  EXPECT_EQ(deque.pop_fifo(), nullptr);
}

TEST(WorkDeque, OwnerPopsTheNewestAndThievesTheOldest) {
  std::array<Item, 4> items{{{0}, {1}, {2}, {3}}};
  SmallDeque deque;
  for (Item& item : items) ASSERT_TRUE(deque.push(&item));
  EXPECT_EQ(deque.pop(), &items[3]);
  EXPECT_EQ(deque.steal(), &items[0]);
  EXPECT_EQ(deque.pop_fifo(), &items[1]);
  EXPECT_EQ(deque.pop(), &items[2]);
  EXPECT_EQ(deque.pop(), nullptr);
}

TEST(WorkDeque, RefusesAPushWhenFullAndHasRoomAfterTakeHalf) {
  std::array<Item, 9> items{};
  SmallDeque deque;
  for (std::size_t i = 0; i < SmallDeque::capacity; ++i) ASSERT_TRUE(deque.push(&items[i]));
  EXPECT_FALSE(deque.push(&items[8]));
  std::array<Item*, SmallDeque::half> half{};
  ASSERT_EQ(deque.take_half(half.data()), SmallDeque::half);
  for (std::size_t i = 0; i < half.size(); ++i) EXPECT_EQ(half[i], &items[i]);
  EXPECT_TRUE(deque.push(&items[8]));
  EXPECT_EQ(deque.steal(), &items[4]);
}

TEST(WorkDeque, TakeHalfLeavesASingleItem) {
  Item item;
  SmallDeque deque;
  ASSERT_TRUE(deque.push(&item));
  std::array<Item*, SmallDeque::half> half{};
  EXPECT_EQ(deque.take_half(half.data()), 0u);
  EXPECT_EQ(deque.pop(), &item);
}

// Long runs pass the ring's end many times, in every phase of full and empty.
RC_GTEST_PROP(WorkDeque, AgreesWithADeque, ()) {
  const auto operations = *rc::gen::resize(400, rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 9)));
  std::deque<Item> items;
  std::deque<Item*> model;
  SmallDeque deque;
  for (int operation : operations) {
    if (operation < 4) {
      Item* item = &items.emplace_back(Item{static_cast<int>(items.size())});
      const bool room = model.size() < SmallDeque::capacity;
      RC_ASSERT(deque.push(item) == room);
      if (room) model.push_back(item);
    } else if (operation < 6) {
      Item* expected = model.empty() ? nullptr : model.back();
      RC_ASSERT(deque.pop() == expected);
      if (expected != nullptr) model.pop_back();
    } else if (operation < 8) {
      Item* expected = model.empty() ? nullptr : model.front();
      RC_ASSERT((operation == 6 ? deque.steal() : deque.pop_fifo()) == expected);
      if (expected != nullptr) model.pop_front();
    } else {
      std::array<Item*, SmallDeque::half> half{};
      const std::uint32_t count = deque.take_half(half.data());
      RC_ASSERT(count == model.size() / 2);
      for (std::uint32_t i = 0; i < count; ++i) {
        RC_ASSERT(half[i] == model.front());
        model.pop_front();
      }
    }
    RC_ASSERT(deque.size_approx() == model.size());
    RC_ASSERT(deque.empty() == model.empty());
  }
}

}  // namespace
}  // namespace quiesce::detail
