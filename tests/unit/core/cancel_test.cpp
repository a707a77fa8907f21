#include <gtest/gtest.h>
#include <quiesce/cancel.hpp>

#include <set>
#include <sstream>
#include <thread>
#include <type_traits>
#include <vector>

#include "generators.hpp"

namespace q = quiesce;
using q::CancelKind;
using q::CancelReason;
using namespace std::chrono_literals;

namespace {

static_assert(sizeof(CancelReason) <= 16);
static_assert(std::is_nothrow_copy_constructible_v<CancelReason> &&
              std::is_nothrow_move_assignable_v<CancelReason>);

std::uint32_t causes_of(const CancelReason& reason) {
  std::uint32_t count = 0;
  for (const auto* cause = reason.cause(); cause != nullptr; cause = cause->cause()) ++count;
  return count;
}

TEST(CancelKind, C1_ranks) {
  const std::pair<CancelKind, int> table[] = {
      {CancelKind::User, 0},
      {CancelKind::Timeout, 1},
      {CancelKind::Deadline, 1},
      {CancelKind::PollQuota, 2},
      {CancelKind::CostBudget, 2},
      {CancelKind::FailFast, 3},
      {CancelKind::RaceLost, 3},
      {CancelKind::LinkedExit, 3},
      {CancelKind::ParentCancelled, 4},
      {CancelKind::ResourceUnavailable, 4},
      {CancelKind::Shutdown, 5},
  };
  std::set<std::string_view> names;
  for (const auto& [kind, expected] : table) {
    EXPECT_EQ(q::rank(kind), expected) << kind;
    EXPECT_EQ(CancelReason::make(kind).rank(), expected);
    names.insert(to_string(kind));
  }
  EXPECT_EQ(names.size(), std::size(table));
  EXPECT_FALSE(names.contains("CancelKind(?)"));
}

TEST(CleanupBudget, C7_defaults_tighten_with_the_rank) {
  for (std::uint8_t rank = 1; rank <= q::max_cancel_rank; ++rank) {
    EXPECT_LT(q::default_cleanup_budget(rank).steps, q::default_cleanup_budget(rank - 1).steps);
    EXPECT_LT(q::default_cleanup_budget(rank).time, q::default_cleanup_budget(rank - 1).time);
  }
  EXPECT_EQ(q::default_cleanup_budget(200), q::default_cleanup_budget(q::max_cancel_rank));
  EXPECT_GT(q::default_cleanup_budget(q::max_cancel_rank).steps, 0U);
}

TEST(CancelReason, C2_factories_carry_kind_message_and_the_callers_line) {
  const auto reason = CancelReason::user("stop");
  EXPECT_EQ(reason.location().line(), static_cast<unsigned>(__LINE__ - 1));
  EXPECT_EQ(reason.kind(), CancelKind::User);
  EXPECT_EQ(reason.message(), "stop");
  EXPECT_EQ(CancelReason::timeout().kind(), CancelKind::Timeout);
  EXPECT_EQ(CancelReason::deadline().kind(), CancelKind::Deadline);
  EXPECT_EQ(CancelReason::poll_quota().kind(), CancelKind::PollQuota);
  EXPECT_EQ(CancelReason::cost_budget().kind(), CancelKind::CostBudget);
  EXPECT_EQ(CancelReason::fail_fast().kind(), CancelKind::FailFast);
  EXPECT_EQ(CancelReason::race_lost().kind(), CancelKind::RaceLost);
  EXPECT_EQ(CancelReason::linked_exit().kind(), CancelKind::LinkedExit);
  EXPECT_EQ(CancelReason::parent_cancelled().kind(), CancelKind::ParentCancelled);
  EXPECT_EQ(CancelReason::resource_unavailable().kind(), CancelKind::ResourceUnavailable);
  EXPECT_EQ(CancelReason::shutdown().kind(), CancelKind::Shutdown);
  EXPECT_EQ(reason.cause(), nullptr);
  EXPECT_EQ(&reason.root_cause(), &reason);
  EXPECT_FALSE(reason.region().is_valid() || reason.task().is_valid() || reason.cleanup() ||
               reason.truncated());
}

TEST(CancelReason, with_functions_leave_the_original_and_its_copies_alone) {
  const auto original = CancelReason::user("a");
  const auto full = original.with_region(q::RegionOrigin({3, 1}, {7}, "0.3"))
                        .with_task(q::TaskOrigin({4, 1}, {8}, "0.3.1"))
                        .with_time(q::Time::zero() + 5ms)
                        .with_cause(CancelReason::shutdown())
                        .with_cleanup({5, 1s})
                        .with_message("b");
  EXPECT_EQ(original, CancelReason::make(CancelKind::User, "a", original.location()));
  EXPECT_EQ(full.region(), (q::RegionId{3, 1}));
  EXPECT_EQ(full.region_origin().path, "0.3");
  EXPECT_EQ(full.task(), (q::TaskId{4, 1}));
  EXPECT_EQ(full.task_origin().logical, q::LogicalId{8});
  EXPECT_EQ(full.time(), q::Time::zero() + 5ms);
  EXPECT_EQ(full.cleanup(), (q::CleanupBudget{5, 1s}));
  EXPECT_EQ(full.message(), "b");
  EXPECT_EQ(full.cause()->kind(), CancelKind::Shutdown);
  auto source = full;
  const auto shared = source;
  const auto taken = std::move(source).with_message("c");
  EXPECT_EQ(shared.message(), "b");
  EXPECT_EQ(taken.message(), "c");
}

TEST(CancelReason, prints_origin_location_and_causes) {
  const auto cause = CancelReason::user("stop").with_region(q::RegionOrigin({3, 1}));
  const auto reason = CancelReason::parent_cancelled()
                          .with_task(q::TaskOrigin({4, 1}, {8}, "0.3.1"))
                          .with_region(q::RegionOrigin({3, 1}, {7}, "0.3"))
                          .with_cause(cause);
  const auto at = [](const CancelReason& r) {
    return "at cancel_test.cpp:" + std::to_string(r.location().line()) + ")";
  };
  std::ostringstream os;
  os << reason;
  EXPECT_EQ(os.str(), "ParentCancelled (task 0.3.1, region 0.3, " + at(reason) +
                          " caused by User: stop (region R3.1, " + at(cause));
}

TEST(CancelReason, C2_order_goes_by_rank_root_rank_earlier_time_origins) {
  const auto at = std::source_location::current();
  const auto make = [&](CancelKind kind) { return CancelReason::make(kind, "", at); };
  const auto user = make(CancelKind::User);
  EXPECT_LT(user, make(CancelKind::Timeout));
  EXPECT_LT(make(CancelKind::Timeout), make(CancelKind::Deadline));
  const auto parent = make(CancelKind::ParentCancelled);
  EXPECT_LT(parent.with_cause(user), parent.with_cause(make(CancelKind::Shutdown)));
  EXPECT_GT(user.with_time(q::Time::from_nanos(1)), user.with_time(q::Time::from_nanos(2)));
  EXPECT_LT(user.with_task(q::TaskOrigin({9, 9}, {1})), user.with_task(q::TaskOrigin({1, 1}, {2})));
  EXPECT_EQ(user.with_task(q::TaskOrigin({9, 9}, {1})), user.with_task(q::TaskOrigin({1, 1}, {1})));
  EXPECT_LT(user.with_region(q::RegionOrigin({9, 9}, {1})), user.with_region(q::RegionOrigin({1, 1}, {2})));
  EXPECT_LT(user.with_message("a"), user.with_message("b"));
  EXPECT_LT(user, user.with_cause(user));
  EXPECT_LT(user.with_cause(user.with_message("a")), user.with_cause(user.with_message("b")));
  EXPECT_LT(user, user.with_cleanup({5, 1s}));
  EXPECT_LT(user.with_cleanup({5, 1s}), user.with_cleanup({4, 1s}));
  EXPECT_LT(user.with_cleanup({5, 2s}), user.with_cleanup({5, 1s}));
}

TEST(CancelReason, C2_strengthen_keeps_the_greater_and_meets_the_cleanup_budgets) {
  const auto weak = CancelReason::user("weak").with_cleanup({2, 9s});
  const auto strong = CancelReason::shutdown("strong").with_cleanup({7, 1s});
  const auto both = strengthen(weak, strong);
  EXPECT_EQ(both.message(), "strong");
  EXPECT_EQ(both.cleanup(), (q::CleanupBudget{2, 1s}));
  EXPECT_EQ(strengthen(CancelReason::shutdown(), weak).cleanup(), (q::CleanupBudget{2, 9s}));
  const auto early = CancelReason::user("first").with_time(q::Time::from_nanos(1));
  EXPECT_EQ(strengthen(CancelReason::user("later").with_time(q::Time::from_nanos(2)), early).message(),
            "first");
}

TEST(CancelReason, C2_strengthen_is_a_semilattice) {
  EXPECT_TRUE(rc::check("associative", [](const CancelReason& a, const CancelReason& b, const CancelReason& c) {
    RC_ASSERT(strengthen(strengthen(a, b), c) == strengthen(a, strengthen(b, c)));
  }));
  EXPECT_TRUE(
      rc::check("commutative, and never weaker than either", [](const CancelReason& a, const CancelReason& b) {
        const auto both = strengthen(a, b);
        RC_ASSERT(both == strengthen(b, a));
        RC_ASSERT(both >= a);
        RC_ASSERT(both >= b);
      }));
  EXPECT_TRUE(rc::check("idempotent", [](const CancelReason& a) { RC_ASSERT(strengthen(a, a) == a); }));
}

TEST(CancelReason, C2_order_is_total) {
  EXPECT_TRUE(rc::check("antisymmetric and transitive",
                        [](const CancelReason& a, const CancelReason& b, const CancelReason& c) {
                          RC_ASSERT(((a <=> b) < 0) == ((b <=> a) > 0));
                          RC_ASSERT(((a <=> b) == 0) == ((b <=> a) == 0));
                          RC_ASSERT(!(a <= b && b <= c) || a <= c);
                          RC_ASSERT(compare(a, b) == (a <=> b));
                        }));
}

TEST(CancelReason, C2_chain_is_cut_by_depth_but_the_root_is_remembered) {
  auto reason = CancelReason::shutdown("root");
  for (int i = 0; i < 16; ++i) reason = CancelReason::parent_cancelled().with_cause(reason);
  EXPECT_EQ(causes_of(reason), 16U);
  EXPECT_FALSE(reason.truncated());
  EXPECT_EQ(reason.root_cause().message(), "root");
  reason = CancelReason::user("top").with_cause(reason);
  EXPECT_EQ(causes_of(reason), 16U);
  EXPECT_TRUE(reason.truncated());
  EXPECT_EQ(reason.root_cause().kind(), CancelKind::ParentCancelled);
  EXPECT_EQ(reason.root_kind(), CancelKind::Shutdown);
  EXPECT_TRUE(to_string(reason).ends_with("caused by more (root: Shutdown)"));
  reason = CancelReason::user().with_cause(reason, {.max_depth = 1, .max_bytes = 10});
  EXPECT_EQ(causes_of(reason), 1U);
  EXPECT_EQ(reason.cause()->message(), "top");
  EXPECT_EQ(reason.root_kind(), CancelKind::Shutdown);
  reason = CancelReason::user().with_cause(reason, {.max_depth = 0, .max_bytes = 10});
  EXPECT_EQ(reason.cause(), nullptr);
  EXPECT_TRUE(reason.truncated());
  EXPECT_EQ(reason.root_kind(), CancelKind::Shutdown);
  reason = reason.with_cause(CancelReason::timeout());
  EXPECT_FALSE(reason.truncated());
  EXPECT_EQ(reason.root_kind(), CancelKind::Timeout);
}

TEST(CancelReason, C2_chain_is_cut_by_bytes) {
  const std::string text(40, 'x');
  auto chain = CancelReason::timeout(text);
  for (int i = 0; i < 3; ++i) chain = CancelReason::user(text).with_cause(chain);
  EXPECT_EQ(causes_of(CancelReason::user().with_cause(chain, {.max_depth = 9, .max_bytes = 160})), 4U);
  const auto cut = CancelReason::user().with_cause(chain, {.max_depth = 9, .max_bytes = 159});
  EXPECT_EQ(causes_of(cut), 3U);
  EXPECT_EQ(cut.root_kind(), CancelKind::Timeout);
  EXPECT_TRUE(cut.truncated());
  EXPECT_FALSE(chain.truncated());
  EXPECT_EQ(causes_of(chain), 3U);
}

TEST(CancelReason, the_nearest_cause_stays_with_its_text_shortened) {
  const auto with = [](const std::string& text, std::size_t bytes) {
    return CancelReason::parent_cancelled().with_cause(CancelReason::user(text),
                                                       {.max_depth = 4, .max_bytes = bytes});
  };
  EXPECT_EQ(with(std::string(100, 'x'), 10).cause()->message(), "xxxxxxx...");
  EXPECT_TRUE(with(std::string(100, 'x'), 10).truncated());
  EXPECT_EQ(with("a\u00E9\u00E9\u00E9", 6).cause()->message(), "a\u00E9...");
  EXPECT_EQ(with("a\u00E9\u00E9\u00E9", 5).cause()->message(), "a...");
  EXPECT_EQ(with("long", 2).cause()->message(), "");
}

TEST(CancelReason, may_be_its_own_cause_without_a_cycle) {
  auto reason = CancelReason::user("again");
  reason = std::move(reason).with_cause(reason);
  EXPECT_EQ(causes_of(reason), 1U);
  EXPECT_EQ(reason.cause()->message(), "again");
}

TEST(CancelReason, a_chain_of_a_hundred_thousand_needs_no_recursion) {
  constexpr q::CauseLimits wide{.max_depth = 200'000, .max_bytes = 1'000'000};
  auto reason = CancelReason::shutdown();
  for (int i = 0; i < 100'000; ++i) reason = CancelReason::user().with_cause(reason, wide);
  EXPECT_EQ(causes_of(reason), 100'000U);
  EXPECT_EQ(reason.root_cause().kind(), CancelKind::Shutdown);
}

TEST(CancelReason, copies_may_be_used_and_dropped_on_any_thread) {
  auto shared = CancelReason::user("shared").with_cause(CancelReason::shutdown());
  std::vector<std::thread> threads;
  std::vector<std::size_t> sizes(4);
  for (auto& size : sizes) {
    threads.emplace_back([reason = shared, &size] {
      for (int i = 0; i < 1'000; ++i) size += strengthen(reason, CancelReason::user("x")).message().size();
    });
  }
  shared = CancelReason::user();
  for (auto& thread : threads) thread.join();
  for (const auto size : sizes) EXPECT_EQ(size, 6'000U);
}

TEST(CancelReasonDeathTest, using_a_moved_from_reason_aborts_with_a_clear_line) {
  auto reason = CancelReason::user();
  const auto taken = std::move(reason);
  EXPECT_EQ(taken.kind(), CancelKind::User);
  EXPECT_DEATH((void)reason.kind(), "moved from");  // NOLINT(bugprone-use-after-move)
}

}  // namespace
