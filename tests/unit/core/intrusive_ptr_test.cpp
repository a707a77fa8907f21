#include <gtest/gtest.h>
#include <quiesce/detail/assert.hpp>
#include <quiesce/detail/intrusive_ptr.hpp>

#include <string>
#include <utility>

namespace counted {

struct Node {
  quiesce::detail::RefCount references;
  int* destroyed;
};
void intrusive_retain(const Node* node) noexcept { node->references.retain(); }
void intrusive_release(const Node* node) noexcept {
  if (!node->references.release()) return;
  ++*node->destroyed;
  delete node;
}

}  // namespace counted

namespace {

using Pointer = quiesce::detail::IntrusivePtr<counted::Node>;

TEST(IntrusivePtr, destroys_the_node_with_its_last_owner) {
  int destroyed = 0;
  Pointer first(new counted::Node{.references = {}, .destroyed = &destroyed});
  EXPECT_TRUE(first->references.is_unique());
  Pointer second = first;
  EXPECT_FALSE(first->references.is_unique());
  EXPECT_EQ(first, second);
  auto& alias = second;
  second = alias;
  second = std::move(alias);
  first = Pointer();
  EXPECT_EQ(destroyed, 0);
  EXPECT_TRUE(second->references.is_unique());
  const Pointer third = std::move(second);
  EXPECT_FALSE(second);  // NOLINT(bugprone-use-after-move): promised
  EXPECT_EQ(destroyed, 0);
  first = third;
  counted::Node* raw = first.detach();
  EXPECT_FALSE(third->references.is_unique());
  first = Pointer(raw);
  EXPECT_EQ(destroyed, 0);
}

TEST(IntrusivePtr, each_node_is_destroyed_once) {
  int destroyed = 0;
  {
    const Pointer a(new counted::Node{.references = {}, .destroyed = &destroyed});
    Pointer b = a;
    b = Pointer(new counted::Node{.references = {}, .destroyed = &destroyed});
    EXPECT_EQ(destroyed, 0);
  }
  EXPECT_EQ(destroyed, 2);
}

TEST(AssertDeathTest, prints_condition_place_and_message) {
  const int live = 0;
  QUIESCE_ASSERT(live == 0, "not evaluated into a failure");
  EXPECT_DEATH(QUIESCE_ASSERT(live > 0, "region " + std::to_string(7) + " is empty"),
               "intrusive_ptr_test.cpp:[0-9]+: quiesce: assertion `live > 0` failed: region 7 is empty");
}

}  // namespace
