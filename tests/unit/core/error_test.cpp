#include <gtest/gtest.h>
#include <quiesce/cancel.hpp>
#include <quiesce/error.hpp>

#include <set>
#include <sstream>
#include <type_traits>

namespace q = quiesce;

namespace {

static_assert(sizeof(q::Error) <= 24);
static_assert(std::is_nothrow_copy_constructible_v<q::Error> && std::is_nothrow_move_constructible_v<q::Error>);
static_assert(!std::is_aggregate_v<q::Error>);

TEST(Error, carries_code_message_and_context) {
  const q::Error plain("no such file");
  EXPECT_EQ(plain.code(), q::ErrorCode::User);
  const auto full = q::Error(q::ErrorCode::RegionAtCapacity, "tasks are limited")
                        .with_context("region", "0.3")
                        .with_context("limit", "8");
  EXPECT_EQ(full.code(), q::ErrorCode::RegionAtCapacity);
  EXPECT_EQ(full.message(), "tasks are limited");
  ASSERT_EQ(full.context().size(), 2U);
  EXPECT_EQ(full.context()[1], (q::Error::ContextEntry{"limit", "8"}));
  std::ostringstream os;
  os << full;
  EXPECT_EQ(os.str(), "RegionAtCapacity: tasks are limited (region=0.3, limit=8)");
  EXPECT_EQ(to_string(plain), "User: no such file");
}

TEST(Error, with_functions_leave_the_original_and_its_copies_alone) {
  const q::Error original("text");
  const q::Error copy = original;
  const auto changed = original.with_context("key", "value").with_cancel_reason(q::CancelReason::timeout());
  EXPECT_TRUE(original.context().empty());
  EXPECT_TRUE(copy.context().empty());
  EXPECT_EQ(original.cancel_reason(), nullptr);
  EXPECT_EQ(changed.context().size(), 1U);
  q::Error source("text");
  const q::Error shared = source;
  const auto taken = std::move(source).with_context("key", "value");
  EXPECT_TRUE(shared.context().empty());
  EXPECT_EQ(taken.context().size(), 1U);
}

TEST(Error, attached_reason_is_kept_and_printed) {
  const auto error =
      q::Error(q::ErrorCode::TimedOut, "too slow").with_cancel_reason(q::CancelReason::timeout("5s"));
  ASSERT_NE(error.cancel_reason(), nullptr);
  EXPECT_EQ(error.cancel_reason()->kind(), q::CancelKind::Timeout);
  EXPECT_TRUE(to_string(error).starts_with("TimedOut: too slow [Timeout: 5s (at error_test.cpp:"))
      << to_string(error);
}

TEST(Error, equality_is_code_and_message) {
  EXPECT_EQ(q::Error("a"), q::Error("a").with_context("k", "v"));
  EXPECT_NE(q::Error("a"), q::Error("b"));
  EXPECT_NE(q::Error("a"), q::Error(q::ErrorCode::Io, "a"));
}

TEST(Error, default_made_and_moved_from_are_the_empty_user_error) {
  q::Error error(q::ErrorCode::Io, "x");
  const q::Error taken = std::move(error);
  EXPECT_EQ(error, q::Error());  // NOLINT(bugprone-use-after-move): promised
  EXPECT_EQ(to_string(q::Error()), "User");
  EXPECT_EQ(q::Error().with_context("k", "v").context().size(), 1U);
  EXPECT_EQ(taken.message(), "x");
}

TEST(Error, every_code_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  constexpr auto last = static_cast<int>(q::ErrorCode::InvalidArgument);
  for (int code = 0; code <= last; ++code) names.insert(to_string(static_cast<q::ErrorCode>(code)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(last) + 1);
  EXPECT_FALSE(names.contains("ErrorCode(?)"));
}

}  // namespace
