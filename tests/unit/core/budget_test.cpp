#include <gtest/gtest.h>
#include <quiesce/budget.hpp>

#include <sstream>
#include <type_traits>

#include "generators.hpp"

namespace q = quiesce;
using namespace std::chrono_literals;

namespace {

static_assert(std::is_trivially_copyable_v<q::Budget>);

TEST(Budget, B1_infinite_constrains_nothing) {
  EXPECT_FALSE(q::Budget::infinite().is_exhausted_at(q::Time::max()));
  EXPECT_EQ(q::Budget::infinite(), q::Budget());
}

TEST(Budget, is_exhausted_when_any_part_is_used_up) {
  const auto at = q::Time::zero() + 1ms;
  const auto deadline = q::Budget::infinite().with_deadline(at);
  EXPECT_FALSE(deadline.is_exhausted_at(at - 1ns));
  EXPECT_TRUE(deadline.is_exhausted_at(at));
  EXPECT_TRUE(q::Budget::infinite().with_poll_quota(0).is_exhausted_at(q::Time::zero()));
  EXPECT_FALSE(q::Budget::infinite().with_poll_quota(1).is_exhausted_at(q::Time::max()));
  EXPECT_TRUE(q::Budget::infinite().with_cost_quota(0).is_exhausted_at(q::Time::zero()));
  EXPECT_FALSE(q::Budget::infinite().with_cost_quota(1).with_priority(255).is_exhausted_at(q::Time::max()));
}

TEST(Budget, B2_meet_takes_the_tighter_of_each_part) {
  const auto early = q::Time::zero() + 1ms;
  const auto a = q::Budget::infinite().with_deadline(early).with_poll_quota(10).with_priority(1);
  const auto b =
      q::Budget::infinite().with_deadline(early + 1ms).with_cost_quota(5).with_poll_quota(3).with_priority(7);
  const auto both = meet(a, b);
  EXPECT_EQ(both.deadline, early);
  EXPECT_EQ(both.poll_quota, 3U);
  EXPECT_EQ(both.cost_quota, 5U);
  EXPECT_EQ(both.priority, 7);
}

TEST(Budget, B2_meet_is_a_semilattice_with_infinite_as_unit) {
  EXPECT_TRUE(rc::check("associative", [](const q::Budget& a, const q::Budget& b, const q::Budget& c) {
    RC_ASSERT(meet(meet(a, b), c) == meet(a, meet(b, c)));
  }));
  EXPECT_TRUE(rc::check("commutative",
                        [](const q::Budget& a, const q::Budget& b) { RC_ASSERT(meet(a, b) == meet(b, a)); }));
  EXPECT_TRUE(rc::check("idempotent, with unit", [](const q::Budget& a) {
    RC_ASSERT(meet(a, a) == a);
    RC_ASSERT(meet(a, q::Budget::infinite()) == a);
  }));
}

TEST(Budget, B3_meet_is_exhausted_whenever_either_is) {
  EXPECT_TRUE(rc::check("never relaxes", [](const q::Budget& a, const q::Budget& b, const q::Time& now) {
    RC_ASSERT(meet(a, b).is_exhausted_at(now) == (a.is_exhausted_at(now) || b.is_exhausted_at(now)));
  }));
}

TEST(Budget, prints_what_it_constrains) {
  std::ostringstream os;
  os << q::Budget::infinite();
  EXPECT_EQ(os.str(), "Budget(infinite)");
  const auto all = q::Budget::infinite()
                       .with_deadline(q::Time::zero() + 1250us)
                       .with_poll_quota(10)
                       .with_cost_quota(100)
                       .with_priority(3);
  EXPECT_EQ(to_string(all), "Budget(deadline=1.250ms, polls=10, cost=100, priority=3)");
  EXPECT_EQ(to_string(q::Budget::infinite().with_priority(3)), "Budget(priority=3)");
}

}  // namespace
