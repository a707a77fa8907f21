#include <gtest/gtest.h>
#include <quiesce/ids.hpp>

#include <sstream>
#include <type_traits>
#include <unordered_set>

namespace q = quiesce;

namespace {

static_assert(std::is_aggregate_v<q::TaskId> && std::is_trivially_copyable_v<q::TaskId>);
static_assert(!std::is_same_v<q::TaskId, q::RegionId> && !std::is_convertible_v<q::TaskId, q::RegionId>);
static_assert(!q::RegionId{}.is_valid() && q::RegionId{0, 1}.is_valid());

TEST(Ids, print_kind_index_and_generation) {
  EXPECT_EQ(to_string(q::RegionId{3, 1}), "R3.1");
  EXPECT_EQ(to_string(q::TaskId{3, 1}), "T3.1");
  std::ostringstream os;
  os << q::ObligationId{4'000'000'000, 7};
  EXPECT_EQ(os.str(), "O4000000000.7");
}

TEST(Ids, compare_by_index_then_generation) {
  EXPECT_LT((q::TaskId{1, 9}), (q::TaskId{2, 1}));
  EXPECT_LT((q::TaskId{1, 1}), (q::TaskId{1, 2}));
  EXPECT_NE((q::TaskId{1, 1}), (q::TaskId{1, 2}));
}

TEST(Ids, hash_tells_index_and_generation_apart) {
  std::unordered_set<q::TaskId> ids;
  std::unordered_set<std::size_t> hashes;
  for (std::uint32_t index = 0; index < 100; ++index) {
    for (std::uint32_t generation = 1; generation <= 100; ++generation) {
      ids.insert({index, generation});
      hashes.insert(std::hash<q::TaskId>()({index, generation}));
    }
  }
  EXPECT_EQ(ids.size(), 10'000U);
  EXPECT_GT(hashes.size(), 9'900U);
  EXPECT_TRUE(ids.contains({42, 7}));
  EXPECT_FALSE(ids.contains({42, 101}));
}

}  // namespace
