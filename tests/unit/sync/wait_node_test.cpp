// A node's notes lie in its links: none of them may disturb another, whatever the list does meanwhile.
#include "quiesce/detail/kernel/wait_node.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "quiesce/detail/sync/primitive.hpp"

namespace quiesce::detail {
namespace {

std::vector<const WaitNode*> in_order(const WaitList& list) {
  std::vector<const WaitNode*> nodes;
  for (const WaitNode* node = list.front(); node != nullptr; node = list.after(*node)) nodes.push_back(node);
  return nodes;
}

TEST(WaitNode, IsInAListOrNotWhateverIsNotedOfIt) {
  WaitNode node(Waiter::of(7, 9));
  EXPECT_FALSE(node.linked() || node.granted() || node.missed() || node.is_special() || node.is_long());
  node.set_missed();
  EXPECT_FALSE(node.linked());
  EXPECT_TRUE(node.missed() && !node.granted());
  node.set_granted();
  EXPECT_TRUE(node.take_missed());
  EXPECT_FALSE(node.take_missed());
  EXPECT_TRUE(node.take_granted());
  EXPECT_FALSE(node.take_granted());
  node.set_special(true);
  WaitList list;
  list.push_back(node);
  EXPECT_TRUE(node.linked() && node.is_special());
  node.set_special(false);
  node.set_granted();
  EXPECT_EQ(list.front(), &node);
  list.remove(node);
  EXPECT_TRUE(node.granted() && !node.linked() && !node.is_special());
  EXPECT_EQ(node.waiter.packed, Waiter::of(7, 9).packed);
}

TEST(WaitNode, ALongOneStaysOneWhenItIsRenewed) {
  int operation = 0;
  LongNode node(Waiter::of(1, 1), &operation);
  node.set_special(true);
  node.set_missed();
  node.renew(Waiter::of(1, 2));
  EXPECT_TRUE(node.is_long());
  EXPECT_FALSE(node.is_special() || node.missed() || node.linked());
  EXPECT_EQ(node.waiter.epoch(), 2u);
  EXPECT_EQ(waiting_operation(node), &operation);
}

/// Every note of every node, set and cleared in the list, and every order of leaving it.
TEST(WaitNode, NotesSurviveWhatTheirNeighboursDo) {
  for (std::size_t first = 0; first < 4; ++first) {
    for (std::size_t notes = 0; notes < 8; ++notes) {
      std::array<WaitNode, 4> nodes;
      WaitList list;
      for (std::size_t i = 0; i < 3; ++i) list.push_back(nodes[i]);
      list.push_front(nodes[3]);
      ASSERT_EQ(in_order(list), (std::vector<const WaitNode*>{&nodes[3], &nodes[0], &nodes[1], &nodes[2]}));
      for (WaitNode& node : nodes) {
        if (notes & 1) node.set_granted();
        if (notes & 2) node.set_missed();
        node.set_special((notes & 4) != 0);
      }
      for (std::size_t i = 0; i < 4; ++i) {
        WaitNode& gone = nodes[(first + i) % 4];
        list.remove(gone);
        for (const WaitNode& node : nodes) {
          ASSERT_EQ(node.granted(), (notes & 1) != 0);
          ASSERT_EQ(node.missed(), (notes & 2) != 0);
          ASSERT_EQ(node.is_special(), (notes & 4) != 0);
        }
        ASSERT_FALSE(gone.linked());
        ASSERT_EQ(in_order(list).size(), 3 - i);
      }
      ASSERT_TRUE(list.empty());
    }
  }
}

TEST(WaitNodeDeathTest, OneThatIsInAListIsPutIntoNoOther) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  WaitNode node;
  WaitList list, other;
  list.push_back(node);
  EXPECT_DEATH(other.push_back(node), "a node is in one list at a time");
  list.remove(node);
  EXPECT_DEATH(list.remove(node), "only a node that is in the list leaves it");
}

}  // namespace
}  // namespace quiesce::detail
