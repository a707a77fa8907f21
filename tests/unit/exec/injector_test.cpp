#include "quiesce/detail/exec/injector.hpp"

#include <gtest/gtest.h>

#include <array>

namespace quiesce::detail {
namespace {

struct Item {
  int id = 0;
  Item* queue_next = nullptr;
};

TEST(Injector, IsFirstInFirstOut) {
  std::array<Item, 3> items{};
  Injector<Item> injector;
  EXPECT_TRUE(injector.empty());
  EXPECT_EQ(injector.pop(), nullptr);
  for (Item& item : items) injector.push(&item);
  EXPECT_EQ(injector.size(), 3u);
  for (Item& item : items) EXPECT_EQ(injector.pop(), &item);
  EXPECT_TRUE(injector.empty());
}

TEST(Injector, TakesABatchBehindWhatIsThere) {
  std::array<Item, 4> items{};
  Injector<Item> injector;
  injector.push(&items[0]);
  Injector<Item>::Batch batch;
  for (std::size_t i = 1; i < items.size(); ++i) batch.push_back(&items[i]);
  injector.push_batch(std::move(batch));
  injector.push_batch({});
  EXPECT_EQ(injector.size(), items.size());
  for (Item& item : items) EXPECT_EQ(injector.pop(), &item);
}

TEST(Injector, GivesABatchOfAtMostWhatWasAskedFor) {
  std::array<Item, 5> items{};
  Injector<Item> injector;
  EXPECT_TRUE(injector.pop_batch(8).empty());
  for (Item& item : items) injector.push(&item);
  Injector<Item>::Batch two = injector.pop_batch(2);
  EXPECT_EQ(two.size(), 2u);
  EXPECT_EQ(two.pop_front(), &items[0]);
  EXPECT_EQ(injector.size(), 3u);
  EXPECT_EQ(injector.pop_batch(8).size(), 3u);
  EXPECT_TRUE(injector.empty());
}

}  // namespace
}  // namespace quiesce::detail
