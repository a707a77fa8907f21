#include <gtest/gtest.h>
#include <quiesce/time.hpp>

#include <sstream>
#include <type_traits>

namespace q = quiesce;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();

static_assert(std::is_trivially_copyable_v<q::Time>);
static_assert(!std::is_convertible_v<q::Duration, q::Time> && !std::is_convertible_v<q::Time, q::Duration>);
static_assert(q::Time::zero() + 5ms == q::Time::from_nanos(5'000'000));

TEST(Time, arithmetic_goes_forth_and_back) {
  const auto start = q::Time::from_nanos(1'000);
  EXPECT_EQ((start + 2us).nanos(), 3'000);
  EXPECT_EQ((2us + start).nanos(), 3'000);
  EXPECT_EQ((start - 400ns).nanos(), 600);
  EXPECT_EQ((start + 7s) - start, 7s);
  EXPECT_EQ(start - (start + 1ns), -1ns);
  auto moved = start;
  moved += 1us;
  EXPECT_EQ(moved, start + 1us);
  moved -= 1us;
  EXPECT_EQ(moved, start);
  EXPECT_LT(start, start + 1ns);
}

TEST(Time, arithmetic_saturates) {
  EXPECT_EQ(q::Time::from_nanos(1) + q::Duration::max(), q::Time::max());
  EXPECT_EQ(q::Time::max() + 1ns, q::Time::max());
  EXPECT_EQ(q::Time::max() - q::Duration::min(), q::Time::max());
  EXPECT_EQ(q::Time::from_nanos(-2) - q::Duration::max(), q::Time::from_nanos(least));
  EXPECT_EQ(q::Time::from_nanos(-2) + q::Duration::min(), q::Time::from_nanos(least));
  EXPECT_EQ(q::Time::max() - q::Time::from_nanos(least), q::Duration(most));
  EXPECT_EQ(q::Time::from_nanos(least) - q::Time::max(), q::Duration(least));
}

TEST(Time, prints_with_the_largest_unit_that_fits) {
  EXPECT_EQ(to_string(q::Time::zero()), "0ns");
  EXPECT_EQ(to_string(q::Time::from_nanos(999)), "999ns");
  EXPECT_EQ(to_string(q::Time::zero() + 1us), "1.000us");
  EXPECT_EQ(to_string(q::Time::zero() + 1250us), "1.250ms");
  EXPECT_EQ(to_string(q::Time::zero() + 61s + 5ms), "61.005s");
  EXPECT_EQ(to_string(q::Time::zero() - 1250us), "-1.250ms");
  EXPECT_EQ(to_string(q::Time::from_nanos(least)), "-9223372036.854s");
  std::ostringstream os;
  os << q::Time::from_nanos(1'250'000);
  EXPECT_EQ(os.str(), "1.250ms");
}

}  // namespace
