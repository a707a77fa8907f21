#include <gtest/gtest.h>
#include <quiesce/outcome_fmt.hpp>

namespace q = quiesce;

namespace {

TEST(OutcomeFmt, formats_as_it_streams) {
  EXPECT_EQ(fmt::format("{}", q::Outcome<int>(42)), "Ok(42)");
  EXPECT_EQ(fmt::format("{}", q::Outcome<>::err(q::Error("x"))), "Err(User: x)");
  EXPECT_EQ(fmt::format("[{:>8}]", q::Outcome<int>(42)), "[  Ok(42)]");
  EXPECT_EQ(fmt::format("{} {}", q::TaskId{3, 1}, q::Time::from_nanos(1'250'000)), "T3.1 1.250ms");
  EXPECT_EQ(fmt::format("{} {} {}", q::Error("e"), q::PanicPayload("p"), q::Budget::infinite()),
            "User: e p Budget(infinite)");
  EXPECT_TRUE(fmt::format("{}", q::CancelReason::shutdown()).starts_with("Shutdown ("));
}

}  // namespace
