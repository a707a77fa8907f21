#include <gtest/gtest.h>
#include <quiesce/logical.hpp>

#include <bit>
#include <sstream>
#include <thread>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include "generators.hpp"

namespace q = quiesce;

namespace {

static_assert(sizeof(q::LogicalPath) == 16);
static_assert(std::is_nothrow_copy_constructible_v<q::LogicalPath> &&
              std::is_nothrow_move_assignable_v<q::LogicalPath>);

q::LogicalPath path_of(const std::vector<std::uint32_t>& ordinals) {
  q::LogicalPath path;
  for (const auto ordinal : ordinals) path = path.child(ordinal);
  return path;
}

std::string text_of(const std::vector<std::uint32_t>& ordinals) {
  std::string text;
  for (const auto ordinal : ordinals) text += (text.empty() ? "" : ".") + std::to_string(ordinal);
  return text;
}

TEST(LogicalId, children_are_distinct_and_well_mixed) {
  std::unordered_set<q::LogicalId> seen;
  int flipped_bits = 0;
  for (std::uint32_t parent = 0; parent < 100; ++parent) {
    const auto parent_id = q::child(q::LogicalId{}, parent);
    for (std::uint32_t ordinal = 0; ordinal < 100; ++ordinal) {
      const auto id = q::child(parent_id, ordinal);
      seen.insert(id);
      flipped_bits += std::popcount(id.value ^ q::child(parent_id, ordinal + 1).value);
    }
  }
  EXPECT_EQ(seen.size(), 10'000U);
  EXPECT_NEAR(flipped_bits / 10'000.0, 32.0, 0.5);  // neighbours differ in half of their bits
  EXPECT_EQ(to_string(q::LogicalId{0xAB}), "00000000000000ab");
}

TEST(LogicalPath, prints_its_ordinals) {
  const auto path = q::LogicalPath::root(0).child(3).child(1);
  EXPECT_EQ(path.to_string(), "0.3.1");
  std::ostringstream os;
  os << path.child(4'294'967'295U);
  EXPECT_EQ(os.str(), "0.3.1.4294967295");
  EXPECT_EQ(q::LogicalPath().to_string(), "");
  EXPECT_TRUE(q::LogicalPath().is_empty());
  EXPECT_FALSE(path.is_empty());
}

TEST(LogicalPath, text_id_and_equality_follow_the_ordinals) {
  EXPECT_TRUE(rc::check("S8: a path is its list of ordinals", [] {
    const auto ordinal =
        rc::gen::oneOf(rc::gen::inRange<std::uint32_t>(0, 3), rc::gen::arbitrary<std::uint32_t>(),
                       rc::gen::element<std::uint32_t>(127, 128, 16'383, 16'384, 0xFFFFFFFFU));
    const auto ordinals = *rc::gen::container<std::vector<std::uint32_t>>(ordinal);
    const auto other = *rc::gen::container<std::vector<std::uint32_t>>(ordinal);
    const auto path = path_of(ordinals);
    RC_ASSERT(path.to_string() == text_of(ordinals));
    RC_ASSERT(path == path_of(ordinals));
    RC_ASSERT((path == path_of(other)) == (ordinals == other));
    const auto next = *ordinal;
    RC_ASSERT(path.child(next).id() == q::child(path.id(), next));
  }));
}

TEST(LogicalPath, paths_of_unequal_chunks_are_unequal) {
  // The last ordinal takes two bytes: it starts a new chunk after fourteen of one byte as well as after fifteen.
  std::vector<std::uint32_t> shorter(14, 1);
  std::vector<std::uint32_t> longer(15, 1);
  shorter.push_back(300);
  longer.push_back(300);
  EXPECT_NE(path_of(shorter), path_of(longer));
}

TEST(LogicalPath, a_child_leaves_its_parent_and_siblings_alone) {
  auto parent = q::LogicalPath::root(0);
  for (std::uint32_t i = 0; i < 40; ++i) parent = parent.child(i);
  const auto before = parent.to_string();
  const auto first = parent.child(300'000);
  const auto second = parent.child(400'000);
  EXPECT_EQ(parent.to_string(), before);
  EXPECT_EQ(first.to_string(), before + ".300000");
  EXPECT_EQ(second.to_string(), before + ".400000");
  auto moved = std::move(parent);
  EXPECT_EQ(moved.to_string(), before);
  EXPECT_TRUE(parent.is_empty());  // NOLINT(bugprone-use-after-move): promised
}

TEST(LogicalPath, a_hundred_thousand_levels_need_no_recursion) {
  auto path = q::LogicalPath::root(0);
  auto id = path.id();
  for (std::uint32_t level = 1; level <= 100'000; ++level) {
    path = path.child(level);
    id = q::child(id, level);
  }
  EXPECT_EQ(path.id(), id);
  EXPECT_TRUE(path.to_string().ends_with(".99999.100000"));
  path = {};
  EXPECT_TRUE(path.is_empty());
}

TEST(LogicalPath, copies_may_be_used_and_dropped_on_any_thread) {
  auto shared = q::LogicalPath::root(0);
  for (std::uint32_t i = 0; i < 1'000; ++i) shared = shared.child(i);
  const auto expected = shared.child(7).id();
  std::vector<std::thread> threads;
  std::vector<std::uint64_t> ids(4);
  for (auto& id : ids) {
    threads.emplace_back([path = shared, &id] {
      for (int i = 0; i < 1'000; ++i) {
        auto copy = path;
        if (i == 999) id = copy.child(7).id().value;
      }
    });
  }
  shared = {};
  for (auto& thread : threads) thread.join();
  for (const auto id : ids) EXPECT_EQ(id, expected.value);
}

}  // namespace
