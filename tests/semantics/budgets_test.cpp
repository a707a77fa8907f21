// Rules B1 to B4.
#include "support.hpp"

namespace quiesce::semantics {
namespace {

constexpr Budget none = Budget::infinite();

// ---- B1 ----

TEST(Budgets, B1_infinite_constrains_nothing) {
  Bench<> b;
  EXPECT_FALSE(none.deadline);
  EXPECT_EQ(none.poll_quota, Budget::infinite_polls);
  EXPECT_FALSE(none.cost_quota);
  EXPECT_EQ(none.priority, 0);
  auto h = b.spawn([](Cx cx) -> Task<bool> {
    bool within = true;
    for (int i = 0; i < 1000; ++i) {
      within = cx.charge(std::uint64_t{1} << 60) && within;
      co_await cx.yield();
    }
    co_await cx.sleep(1000h);
    co_return within && !cx.remaining();
  });
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).value());
}

// ---- B2 ----

TEST(Budgets, B2_meet_takes_the_tighter_of_each) {
  const Budget a = none.with_deadline(Time::from_nanos(5)).with_poll_quota(9).with_priority(1);
  const Budget b = none.with_deadline(Time::from_nanos(7)).with_poll_quota(3).with_cost_quota(4);
  const Budget both =
      none.with_deadline(Time::from_nanos(5)).with_poll_quota(3).with_cost_quota(4).with_priority(1);
  EXPECT_EQ(meet(a, b), both);
  EXPECT_EQ(meet(b, a), both);
  EXPECT_EQ(meet(both, a), both);
  EXPECT_EQ(meet(none, a), a);
}

// ---- B3 ----

/// The effective budget of a child region that asks for `wanted` below `outer`.
Budget nested(const Budget& outer, const Budget& wanted) {
  Bench<> b({}, outer);
  auto body = [](Cx cx, Scope<>& scope) -> Task<Budget> {
    EXPECT_EQ(scope.budget(), cx.budget());
    co_return cx.budget();
  };
  auto region = b.scope.region_with_budget(b.cx, wanted, FailFast{}, body);
  return b.run(std::move(region)).value();
}

TEST(Budgets, B3_nesting_never_relaxes) {
  const Budget tight =
      none.with_deadline(Time::from_nanos(1000)).with_poll_quota(50).with_cost_quota(10).with_priority(3);
  const Budget loose =
      none.with_deadline(Time::from_nanos(2000)).with_poll_quota(99).with_cost_quota(20).with_priority(1);
  EXPECT_EQ(nested(tight, loose), tight);
  EXPECT_EQ(nested(loose, tight), tight);
  EXPECT_EQ(nested(tight, none), tight);
  EXPECT_EQ(nested(none, tight), tight);
}

TEST(Budgets, B3_what_is_remaining_is_that_of_the_effective_deadline) {
  Bench<> b({}, none.with_deadline(Time::zero() + 10ms));
  auto body = [](Cx cx, Scope<>&) -> Task<Duration> {
    co_await cx.sleep(4ms);
    co_return cx.remaining().value();
  };
  auto region = b.scope.region_with_budget(b.cx, none.with_deadline(Time::zero() + 30ms), FailFast{}, body);
  EXPECT_EQ(b.run(std::move(region)).value(), 6ms);
}

// ---- B4: deadlines ----

TEST(Budgets, B4_a_passed_deadline_cancels_with_that_kind) {
  Bench<> b;
  auto body = [](Cx cx, Scope<>&) -> Task<> { co_await cx.sleep(1h); };
  auto region = b.scope.region_with_budget(b.cx, none.with_deadline(Time::zero() + 5ms), FailFast{}, body);
  Outcome<> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().kind(), CancelKind::Deadline);
  EXPECT_EQ(b.stepper.now(), Time::zero() + 5ms);
}

TEST(Budgets, B4_a_deadline_that_has_passed_at_the_opening_cancels_at_once) {
  Bench<> b;
  b.stepper.advance(10ms);
  auto body = [](Cx cx, Scope<>&) -> Task<> { co_await cx.sleep(1h); };
  auto region = b.scope.region_with_budget(b.cx, none.with_deadline(Time::zero() + 5ms), FailFast{}, body);
  Outcome<> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().kind(), CancelKind::Deadline);
  EXPECT_EQ(b.stepper.now(), Time::zero() + 10ms);
}

TEST(Budgets, B4_a_deadline_reaches_the_regions_below) {
  Bench<> b;
  std::optional<CancelReason> seen;
  auto inner = [&](Cx cx, Scope<>&) -> Task<> {
    (void)co_await cx.sleep(1h).outcome();
    seen = cx.cancel_reason();
  };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> { co_await scope.region(cx, FailFast{}, inner); };
  auto region = b.scope.region_with_budget(b.cx, none.with_deadline(Time::zero() + 5ms), FailFast{}, body);
  EXPECT_TRUE(b.run(std::move(region)).is_ok());  // nobody ended Cancelled by it (R10)
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->kind(), CancelKind::ParentCancelled);
  EXPECT_EQ(seen->root_kind(), CancelKind::Deadline);
}

TEST(Budgets, B4_a_region_that_ends_in_time_is_not_cancelled) {
  Bench<> b;
  auto body = [](Cx cx, Scope<>&) -> Task<int> {
    co_await cx.sleep(4ms);
    co_return 1;
  };
  auto region = b.scope.region_with_budget(b.cx, none.with_deadline(Time::zero() + 5ms), FailFast{}, body);
  EXPECT_EQ(b.run(std::move(region)).value(), 1);
  b.stepper.advance(1h);  // no timer is left that would reach a next life of the record
  EXPECT_TRUE(b.stepper.runnable().empty());
}

// ---- B4: quotas ----

Task<int> counts_steps(Cx cx, int* steps) {
  for (;;) {
    ++*steps;
    co_await cx.yield();
  }
}

TEST(Budgets, B4_an_exhausted_poll_quota_cancels_with_that_kind) {
  Bench<> b;
  int steps = 0;
  auto body = [&](Cx cx, Scope<>&) -> Task<int> { return counts_steps(cx, &steps); };
  auto region = b.scope.region_with_budget(b.cx, none.with_poll_quota(5), FailFast{}, body);
  Outcome<int> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().kind(), CancelKind::PollQuota);
  EXPECT_EQ(steps, 6);  // the sixth step is the one that is over; it may go on to its next checkpoint
}

TEST(Budgets, B4_a_region_within_its_poll_quota_is_left_alone) {
  Bench<> b;
  auto body = [](Cx cx, Scope<>&) -> Task<int> {
    for (int i = 0; i < 4; ++i) co_await cx.yield();
    co_return 5;
  };
  auto region = b.scope.region_with_budget(b.cx, none.with_poll_quota(5), FailFast{}, body);
  EXPECT_EQ(b.run(std::move(region)).value(), 5);
}

TEST(Budgets, B4_a_poll_quota_is_spent_by_all_tasks_of_the_region) {
  Bench<> b;
  int one = 0, two = 0;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto work = UnsafeSend([&two](Cx mine) -> Task<int> { return counts_steps(mine, &two); });
    (void)scope.spawn(cx, std::move(work));
    return counts_steps(cx, &one);
  };
  auto region = b.scope.region_with_budget(b.cx, none.with_poll_quota(10), FailFast{}, body);
  Outcome<int> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().kind(), CancelKind::PollQuota);
  EXPECT_LE(one + two, 12);
  EXPECT_GE(one + two, 10);
}

TEST(Budgets, B4_a_child_region_does_not_refresh_the_quota) {
  Bench<> b;
  int steps = 0, regions = 0;
  auto inner = [&](Cx cx, Scope<>&) -> Task<> {
    ++steps;
    co_await cx.yield();
    ++steps;
  };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    for (;;) {
      ++regions;
      co_await scope.region_with_budget(cx, none.with_poll_quota(5), FailFast{}, inner);
    }
  };
  auto region = b.scope.region_with_budget(b.cx, none.with_poll_quota(20), FailFast{}, body);
  Outcome<> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().kind(), CancelKind::PollQuota);
  EXPECT_EQ(o.cancel_reason().region_origin().path, "0.0.0");  // the outer one's, whose quota it was
  EXPECT_LE(steps + regions, 20 + 3);  // the step that is over goes on to its next checkpoint
}

TEST(Budgets, B4_only_regions_with_a_finite_quota_are_counted) {
  Bench<> b;
  int outer = 0, inner_steps = 0;
  auto inner = [&](Cx cx, Scope<>&) -> Task<int> { return counts_steps(cx, &inner_steps); };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<bool> {
    auto region = scope.region_with_budget(cx, none.with_poll_quota(3), FailFast{}, inner);
    Outcome<int> o = co_await std::move(region).outcome();
    for (int i = 0; i < 100; ++i, ++outer) co_await cx.yield();
    co_return o.is_cancelled() && !cx.is_cancel_requested();
  };
  auto region = b.scope.region(b.cx, FailFast{}, body);
  EXPECT_TRUE(b.run(std::move(region)).value());
  EXPECT_EQ(inner_steps, 4);
  EXPECT_EQ(outer, 100);
}

TEST(Budgets, B4_charging_spends_the_cost_quota) {
  Bench<> b;
  Lines lines;
  auto body = [&](Cx cx, Scope<>&) -> Task<> {
    lines.push_back(cx.charge(6) ? "within" : "over");
    lines.push_back(cx.charge(4) ? "within" : "over");
    lines.push_back(cx.is_cancel_requested() ? "requested" : "free");
    lines.push_back(cx.charge(1) ? "within" : "over");
    lines.push_back(cx.is_cancel_requested() ? "requested" : "free");
    lines.push_back(cx.charge(1) ? "within" : "over");
    co_await cx.checkpoint();
  };
  auto region = b.scope.region_with_budget(b.cx, none.with_cost_quota(10), FailFast{}, body);
  Outcome<> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().kind(), CancelKind::CostBudget);
  EXPECT_EQ(lines, (Lines{"within", "within", "free", "over", "requested", "over"}));
}

TEST(Budgets, B4_a_charge_is_spent_at_every_ancestor_with_a_quota) {
  Bench<> b;
  auto inner = [](Cx cx, Scope<>&) -> Task<bool> {
    const bool within = cx.charge(6);
    co_await cx.checkpoint();
    co_return within;
  };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<bool> {
    bool first = co_await scope.region_with_budget(cx, none.with_cost_quota(100), FailFast{}, inner);
    EXPECT_TRUE(first);
    co_return co_await scope.region(cx, FailFast{}, inner);
  };
  auto region = b.scope.region_with_budget(b.cx, none.with_cost_quota(10), FailFast{}, body);
  Outcome<bool> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().kind(), CancelKind::CostBudget);
}

TEST(Budgets, B4_a_huge_charge_does_not_wrap) {
  Bench<> b;
  auto body = [](Cx cx, Scope<>&) -> Task<> {
    EXPECT_FALSE(cx.charge(~std::uint64_t{0}));
    EXPECT_FALSE(cx.charge(~std::uint64_t{0}));
    EXPECT_FALSE(cx.charge(0));
    co_await cx.checkpoint();
  };
  auto region = b.scope.region_with_budget(b.cx, none.with_cost_quota(10), FailFast{}, body);
  EXPECT_TRUE(b.run(std::move(region)).is_cancelled());
}

TEST(Budgets, B4_clean_up_after_exhaustion_spends_the_clean_up_budget) {
  Bench<> b;
  int masked = 0;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    (void)scope.defer_async([&](Cx mine) -> Task<> {
      for (int i = 0; i < 50; ++i, ++masked) co_await mine.yield();
    });
    {
      MaskGuard mask = cx.mask();
      for (int i = 0; i < 100; ++i, ++masked) co_await cx.yield();
    }
    co_await cx.checkpoint();
  };
  auto region = b.scope.region_with_budget(b.cx, none.with_poll_quota(5), FailFast{}, body);
  Outcome<> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().kind(), CancelKind::PollQuota);
  EXPECT_EQ(masked, 150);
}

// In production a quota may be overrun by at most a lease of 64 steps a worker.
TEST(Budgets, B4_the_overrun_is_bounded_in_production) {
  for (std::uint32_t workers : {1u, 2u}) {
    Runtime rt = Runtime::builder().workers(workers).build();
    std::atomic<std::uint64_t> steps{0};
    auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
      for (int i = 0; i < 4; ++i) {
        auto work = UnsafeSend([&steps](Cx mine) -> Task<> {
          for (;;) {
            steps.fetch_add(1);
            co_await mine.yield();
          }
        });
        co_await scope.launch(cx, std::move(work));
      }
    };
    constexpr std::uint32_t quota = 10'000;
    Outcome<> o = rt.block_on_with(RegionOptions().with_budget(none.with_poll_quota(quota)), body);
    ASSERT_TRUE(o.is_cancelled()) << o;
    EXPECT_EQ(o.cancel_reason().kind(), CancelKind::PollQuota);
    EXPECT_GE(steps.load(), quota - 10u);
    EXPECT_LE(steps.load(), quota + 64u * workers + 4u);
  }
}

}  // namespace
}  // namespace quiesce::semantics
