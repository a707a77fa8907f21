#include "quiesce/detail/exec/intrusive_queue.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <deque>
#include <vector>

namespace quiesce::detail {
namespace {

struct Node {
  int id = 0;
  Node* link = nullptr;
};
using Queue = IntrusiveQueue<Node, &Node::link>;

std::vector<int> drain(Queue& queue) {
  std::vector<int> out;
  while (Node* node = queue.pop_front()) out.push_back(node->id);
  return out;
}

TEST(IntrusiveQueue, IsEmptyAtFirst) {
  Queue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(queue.pop_front(), nullptr);
}

TEST(IntrusiveQueue, KeepsTheOrderOfPushes) {
  Node a{1}, b{2}, c{3};
  Queue queue;
  queue.push_back(&b);
  queue.push_back(&c);
  queue.push_front(&a);
  EXPECT_EQ(queue.size(), 3u);
  EXPECT_EQ(drain(queue), (std::vector{1, 2, 3}));
}

TEST(IntrusiveQueue, ClearsTheLinkOfWhatItGivesOut) {
  Node a{1}, b{2};
  Queue queue;
  queue.push_back(&a);
  queue.push_back(&b);
  EXPECT_EQ(queue.pop_front()->link, nullptr);
}

TEST(IntrusiveQueue, MovingLeavesNothingBehind) {
  Node a{1};
  Queue queue;
  queue.push_back(&a);
  Queue other = std::move(queue);
  EXPECT_TRUE(queue.empty());  // NOLINT(bugprone-use-after-move): the promise under test
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(drain(other), std::vector{1});
}

RC_GTEST_PROP(IntrusiveQueue, AgreesWithADeque, ()) {
  const auto operations = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 6));
  std::deque<Node> nodes;
  Queue queue, side;
  std::deque<int> model, side_model;
  for (int operation : operations) {
    const int id = static_cast<int>(nodes.size());
    switch (operation) {
      case 0:
        queue.push_back(&nodes.emplace_back(Node{id}));
        model.push_back(id);
        break;
      case 1:
        queue.push_front(&nodes.emplace_back(Node{id}));
        model.push_front(id);
        break;
      case 2:
        side.push_back(&nodes.emplace_back(Node{id}));
        side_model.push_back(id);
        break;
      case 3:
        queue.splice_back(std::move(side));
        model.insert(model.end(), side_model.begin(), side_model.end());
        side_model.clear();
        RC_ASSERT(side.empty());
        break;
      case 4: {
        const auto count = *rc::gen::inRange<std::size_t>(0, model.size() + 2);
        Queue front = queue.split_front(count);
        RC_ASSERT(front.size() == std::min(count, model.size()));
        for (int got : drain(front)) {
          RC_ASSERT(got == model.front());
          model.pop_front();
        }
        break;
      }
      default: {
        Node* node = queue.pop_front();
        RC_ASSERT((node == nullptr) == model.empty());
        if (node != nullptr) {
          RC_ASSERT(node->id == model.front());
          model.pop_front();
        }
      }
    }
    RC_ASSERT(queue.size() == model.size());
  }
  RC_ASSERT(drain(queue) == std::vector<int>(model.begin(), model.end()));
}

}  // namespace
}  // namespace quiesce::detail
