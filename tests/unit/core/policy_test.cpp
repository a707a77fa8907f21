#include <gtest/gtest.h>
#include <quiesce/policy.hpp>

namespace q = quiesce;

namespace {

struct NoAggregate {
  q::PolicyAction on_child_failure(const q::ChildFailure&) { return q::PolicyAction::Continue; }
};
struct NoDefault : q::CollectAll {
  explicit NoDefault(int) {}
};
struct TolerateIo : q::FailFast {
  q::PolicyAction on_child_failure(const q::ChildFailure& failure) const {
    return failure.error.code() == q::ErrorCode::Io ? q::PolicyAction::Continue : q::PolicyAction::CancelRegion;
  }
};
static_assert(q::Policy<q::FailFast> && q::Policy<q::CollectAll> && q::Policy<TolerateIo>);
static_assert(!q::Policy<NoAggregate> && !q::Policy<NoDefault> && !q::Policy<int>);

const q::ChildFailure io_failure({3, 1}, q::OutcomeKind::Err, q::Error(q::ErrorCode::Io, "disk"));

TEST(Policy, R7_fail_fast_cancels_and_collect_all_goes_on) {
  EXPECT_EQ(q::FailFast().on_child_failure(io_failure), q::PolicyAction::CancelRegion);
  EXPECT_EQ(q::CollectAll().on_child_failure(io_failure), q::PolicyAction::Continue);
  EXPECT_EQ(TolerateIo().on_child_failure(io_failure), q::PolicyAction::Continue);
  EXPECT_EQ(TolerateIo().on_child_failure({{3, 1}, q::OutcomeKind::Err, q::Error("other")}),
            q::PolicyAction::CancelRegion);
}

template <class P>
void expect_aggregation_by_severity() {
  P policy;
  auto so_far = q::Outcome<>::ok();
  policy.aggregate(so_far, q::Outcome<>::ok());
  EXPECT_TRUE(so_far.is_ok());
  policy.aggregate(so_far, q::Outcome<>::err(q::Error("first")));
  policy.aggregate(so_far, q::Outcome<>::err(q::Error("second")));
  EXPECT_EQ(so_far.error().message(), "first");
  policy.aggregate(so_far, q::Outcome<>::panicked(q::PanicPayload("worst")));
  policy.aggregate(so_far, q::Outcome<>::ok());
  EXPECT_EQ(so_far.panic().message(), "worst");
  ASSERT_EQ(so_far.attached().size(), 2U);
  EXPECT_EQ(so_far.attached()[0].text, "User: first");
  EXPECT_EQ(so_far.attached()[1].text, "User: second");
}

TEST(Policy, R7_both_aggregate_by_severity) {
  expect_aggregation_by_severity<q::FailFast>();
  expect_aggregation_by_severity<q::CollectAll>();
}

}  // namespace
