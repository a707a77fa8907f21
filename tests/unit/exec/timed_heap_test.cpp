#include "quiesce/detail/exec/timed_heap.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <deque>
#include <map>

namespace quiesce::detail {
namespace {

struct Item {
  TimedKey key;
};
struct KeyOf {
  TimedKey operator()(const Item& item) const { return item.key; }
};
using Heap = TimedHeap<Item, KeyOf>;

TEST(TimedHeap, IsEmptyAtFirst) {
  Heap heap;
  EXPECT_TRUE(heap.empty());
  EXPECT_EQ(heap.top(), nullptr);
  EXPECT_EQ(heap.pop(), nullptr);
}

TEST(TimedHeap, EarliestDeadlineFirstAndTiesByLogicalId) {
  Item late{{20, 1}}, early_high{{10, 9}}, early_low{{10, 3}};
  Heap heap;
  heap.push(&late);
  heap.push(&early_high);
  heap.push(&early_low);
  EXPECT_EQ(heap.top(), &early_low);
  EXPECT_EQ(heap.pop(), &early_low);
  EXPECT_EQ(heap.pop(), &early_high);
  EXPECT_EQ(heap.pop(), &late);
  EXPECT_TRUE(heap.empty());
}

TEST(TimedHeap, KeepsTheKeyThatAnItemHadWhenItCame) {
  Item first{{10, 1}}, second{{20, 2}};
  Heap heap;
  heap.push(&first);
  heap.push(&second);
  first.key.deadline_ns = 30;
  EXPECT_EQ(heap.pop(), &first);
}

// Logical ids are unique, so the order is total: a sorted map is the model.
RC_GTEST_PROP(TimedHeap, AgreesWithASortedMap, ()) {
  const auto deadlines = *rc::gen::container<std::vector<std::int64_t>>(
      rc::gen::oneOf(rc::gen::inRange<std::int64_t>(0, 8), rc::gen::arbitrary<std::int64_t>()));
  std::deque<Item> items;
  std::map<TimedKey, Item*> model;
  Heap heap;
  const auto check_pop = [&] {
    Item* expected = model.empty() ? nullptr : model.begin()->second;
    RC_ASSERT(heap.top() == expected);
    RC_ASSERT(heap.pop() == expected);
    if (expected != nullptr) model.erase(model.begin());
  };
  for (std::int64_t deadline : deadlines) {
    const std::uint64_t scattered_id = items.size() * 0x9e3779b97f4a7c15;
    Item& item = items.emplace_back(Item{{deadline, scattered_id}});
    heap.push(&item);
    model.emplace(item.key, &item);
    if (*rc::gen::inRange(0, 3) == 0) check_pop();
    RC_ASSERT(heap.size() == model.size());
  }
  while (!model.empty()) check_pop();
  check_pop();
}

}  // namespace
}  // namespace quiesce::detail
