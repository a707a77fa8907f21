// Rule C11: a region opened under a mask is shielded from requests from above.
#include <atomic>
#include <optional>

#include "support.hpp"

namespace quiesce::semantics {
namespace {

struct Shield : ::testing::Test {
  Bench<> b{with_cleanup(1000, 10s)};
  Lines lines;
  RegionId inner_id;
  /// Opens a region under a mask and runs `inner` in it; then, unmasked, looks for a request.
  template <class Inner>
  TaskHandle<> open(Inner& inner, Budget budget = Budget::infinite()) {
    auto h = b.spawn([this, &inner, budget](Cx cx) -> Task<> {
      {
        MaskGuard mask = cx.mask();
        Outcome<> o = co_await b.scope.region_with_budget(cx, budget, FailFast{}, inner).outcome();
        lines.push_back(o.is_ok() ? "region ok" : "region " + std::string(to_string(o.kind())));
      }
      lines.push_back(cx.checkpoint().is_cancelled() ? "opener sees it" : "no request");
    });
    b.stepper.run_until_idle();
    return h;
  }
  /// Tells after a second whether a request has come through.
  Task<> look(Cx cx) {
    co_await cx.sleep(1s);
    lines.push_back(cx.is_cancel_requested() ? "requested" : "shielded");
  }
  /// Counts its steps until a request ends it.
  static Task<> spins(Cx cx, int* steps) {
    for (;;) {
      ++*steps;
      co_await cx.yield();
    }
  }
};

TEST_F(Shield, C11_a_request_from_above_waits_at_the_boundary) {
  auto inner = [&](Cx cx, Scope<>& scope) -> Task<> {
    inner_id = scope.region_id();
    co_await look(cx);
    auto child = co_await scope.spawn(cx, answer, 1);
    lines.push_back(std::to_string(co_await child.join(cx)));
  };
  auto h = open(inner);
  b.stepper.cancel(b.root, CancelReason::user("stop"));
  EXPECT_EQ(b.stepper.region(inner_id)->state, RegionState::Open);
  EXPECT_FALSE(b.stepper.region(inner_id)->cancel_reason);
  EXPECT_TRUE(b.stepper.runnable().empty());
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(lines, (Lines{"shielded", "1", "region ok", "opener sees it"}));
}

TEST_F(Shield, C11_a_request_on_the_opener_waits_too) {
  auto inner = [&](Cx cx, Scope<>&) { return look(cx); };
  auto h = open(inner);
  h.abort();
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(lines, (Lines{"shielded", "region ok", "opener sees it"}));
}

TEST_F(Shield, C11_a_request_that_was_there_before_waits_too) {
  auto inner = [&](Cx cx, Scope<>&) { return look(cx); };
  Door door;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    co_await door;
    MaskGuard mask = cx.mask();
    co_await b.scope.region(cx, FailFast{}, inner);
  });
  b.stepper.run_until_idle();
  b.stepper.cancel(b.root, CancelReason::user("stop"));
  door.open();
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(lines, (Lines{"shielded"}));
}

TEST_F(Shield, C11_regions_opened_inside_are_shielded_with_it) {
  auto innermost = [&](Cx cx, Scope<>&) { return look(cx); };
  auto inner = [&](Cx cx, Scope<>& scope) -> Task<> { co_await scope.region(cx, FailFast{}, innermost); };
  auto h = open(inner);
  b.stepper.cancel(b.root, CancelReason::user("stop"));
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(lines, (Lines{"shielded", "region ok", "opener sees it"}));
}

TEST_F(Shield, C11_its_own_cancel_acts) {
  auto inner = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto h = co_await scope.spawn(cx, sleeper);
    scope.cancel(CancelReason::user("inner"));
    co_await h.join(cx);
  };
  auto h = open(inner);
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(lines, (Lines{"region Cancelled", "no request"}));
}

TEST_F(Shield, C11_the_budget_requested_for_it_acts) {
  auto inner = [&](Cx cx, Scope<>&) -> Task<> { co_await cx.sleep(1h); };
  auto h = open(inner, Budget::infinite().with_deadline(Time::zero() + 3s));
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(lines, (Lines{"region Cancelled", "no request"}));
  EXPECT_EQ(b.stepper.now(), Time::zero() + 3s);
}

TEST(Masks, C11_what_it_would_inherit_is_replaced) {
  Bench<> b(with_cleanup(1000, 10s), Budget::infinite().with_deadline(Time::zero() + 5s).with_cost_quota(3));
  Budget free, requested;
  auto first = [&](Cx cx, Scope<>&) -> Task<> {
    free = cx.budget();
    co_await cx.sleep(7s);  // the root's deadline passes: a request, which waits
    EXPECT_FALSE(cx.is_cancel_requested());
  };
  auto second = [&](Cx cx, Scope<>&) -> Task<> {
    requested = cx.budget();
    co_return;
  };
  auto h = b.spawn([&](Cx cx) -> Task<> {
    MaskGuard mask = cx.mask();
    co_await b.scope.region(cx, FailFast{}, first);
    co_await b.scope.region(cx, FailFast{}, second);
  });
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(free, Budget::infinite());
  EXPECT_EQ(requested.deadline, Time::zero() + 15s);  // the mask's budget runs from the deadline's request
  EXPECT_FALSE(requested.cost_quota);
  EXPECT_LT(requested.poll_quota, 1000u);
  EXPECT_GT(requested.poll_quota, 900u);
}

TEST_F(Shield, C11_when_the_masks_time_is_spent_the_request_comes_through) {
  std::optional<CancelReason> seen;
  Time when;
  auto inner = [&](Cx cx, Scope<>& scope) -> Task<> {
    inner_id = scope.region_id();
    (void)co_await cx.sleep(1h).outcome();
    seen = cx.cancel_reason();
    when = cx.now();
    co_await cx.checkpoint();
  };
  auto h = open(inner);
  b.stepper.advance(1s);
  b.stepper.cancel(b.root, CancelReason::user("stop"));
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(when, Time::zero() + 11s);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->kind(), CancelKind::ParentCancelled);
  ASSERT_NE(seen->cause(), nullptr);
  EXPECT_EQ(seen->cause()->message(), "stop");
  EXPECT_EQ(lines, (Lines{"region Cancelled", "opener sees it"}));
}

TEST_F(Shield, C11_the_steps_inside_are_steps_under_the_mask) {
  int steps = 0;
  auto inner = [&](Cx cx, Scope<>&) -> Task<> {
    co_await cx.sleep(1s);
    co_await spins(cx, &steps);
  };
  auto h = open(inner);
  b.stepper.cancel(b.root, CancelReason::user("stop"));
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(steps, 1001);  // a thousand are allowed; the next one sees the request at its yield
  EXPECT_EQ(b.stepper.now(), Time::zero() + 1s);
}

TEST_F(Shield, C11_the_steps_of_tasks_in_regions_inside_count_as_well) {
  int steps = 0;
  auto innermost = [&](Cx cx, Scope<>&) { return spins(cx, &steps); };
  auto inner = [&](Cx cx, Scope<>& scope) -> Task<> {
    co_await cx.sleep(1s);
    co_await scope.region_with_budget(cx, Budget::infinite().with_cost_quota(5), FailFast{}, innermost);
  };
  auto h = open(inner);
  b.stepper.cancel(b.root, CancelReason::user("stop"));
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_LE(steps, 1001);
  EXPECT_GE(steps, 990);
}

// ---- on threads: whatever the interleaving, everybody ends ----

TEST(Masks, C11_shields_and_requests_race_on_threads) {
  Runtime rt = Runtime::builder().workers(2).build();
  constexpr int rounds = repeated(200);
  std::atomic<int> shielded{0}, through{0}, ended{0};
  auto inner = [&](Cx mine, Scope<>&) -> Task<> {
    for (int k = 0; k < 40; ++k) {
      Outcome<> o = mine.checkpoint();
      if (o.is_cancelled()) {
        through.fetch_add(1);
        co_await std::move(o);
      }
      MaskGuard mask = mine.mask();
      co_await mine.yield();
    }
    shielded.fetch_add(1);
  };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    for (int i = 0; i < rounds; ++i) {
      auto opens = UnsafeSend([&](Cx mine) -> Task<> {
        MaskGuard mask = mine.mask();
        auto region = quiesce::region(mine, FailFast{}, inner);
        (void)co_await std::move(region).outcome();
        ended.fetch_add(1);
      });
      auto h = co_await scope.spawn(cx, std::move(opens));
      for (int k = 0; k < i % 9; ++k) co_await cx.yield();
      h.abort_with_reason(CancelReason::user("stop").with_cleanup({static_cast<std::uint32_t>(i % 50), 1h}));
      (void)co_await h.join(cx).outcome();
    }
  };
  EXPECT_TRUE(rt.block_on(body).is_ok());
  EXPECT_EQ(ended, rounds);
  EXPECT_EQ(shielded + through, rounds);
}

}  // namespace
}  // namespace quiesce::semantics
