// Rules R5, R6 and R10: the body of a region, awaiting a region, and what the awaiter sees of a request.
#include <algorithm>
#include <optional>
#include <thread>

#include "support.hpp"

namespace quiesce::semantics {
namespace {

/// The outcome of a region, as its awaiter sees it.
template <class Body>
Outcome<int> region_outcome(Bench<>& bench, Body& body) {
  std::optional<Outcome<int>> seen;
  auto outer = [&](Cx cx, Scope<>& scope) -> Task<> {
    seen = co_await scope.region(cx, FailFast{}, body).outcome();
  };
  EXPECT_TRUE(bench.run_region(outer).is_ok());
  return std::move(*seen);
}

/// Sleeps until a request ends the sleep, and notes its reason.
Task<> notes_reason(Cx cx, std::optional<CancelReason>* out) {
  (void)co_await cx.sleep(1h).outcome();
  *out = cx.cancel_reason();
}

// ---- R5: the body ----

TEST(Regions, R5_a_failing_sibling_cancels_the_body) {
  Bench bench;
  bool unwound = false;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.launch(cx, failing, std::string("sibling"));
    auto slept = co_await cx.sleep(1h).outcome();
    EXPECT_TRUE(slept.is_cancelled());
    EXPECT_EQ(slept.cancel_reason().kind(), CancelKind::FailFast);
    unwound = true;
    co_await slept;
    co_return 1;
  };
  auto outer = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto outcome = co_await scope.region(cx, FailFast{}, body).outcome();
    EXPECT_TRUE(outcome.is_err()) << outcome;
    EXPECT_EQ(outcome.error().message(), "sibling");
    EXPECT_FALSE(cx.is_cancel_requested()) << "it unwinds to the region's boundary and no further";
    co_return 3;
  };
  EXPECT_EQ(bench.run_region(outer).value(), 3);
  EXPECT_TRUE(unwound);
  EXPECT_EQ(bench.stepper.now(), Time::zero());
}

TEST(Regions, R5_stays_open_for_its_tasks_after_the_body_ended_ok) {
  Bench bench;
  Lines lines;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto child = [](Cx mine, Scope<> own, Lines* out) -> Task<> {
      co_await mine.sleep(1s);
      auto grandchild = [](Cx, Lines* log) -> Task<> {
        log->push_back("spawned after the body's end");
        co_return;
      };
      auto spawned = own.spawn(mine, grandchild, unsafe_send(out));
      EXPECT_TRUE(spawned) << spawned.error();
    };
    (void)scope.spawn(cx, child, scope, unsafe_send(&lines)).value();
    lines.push_back("body ends");
    co_return 5;
  };
  EXPECT_EQ(bench.run_region(body).value(), 5);
  EXPECT_EQ(lines, (Lines{"body ends", "spawned after the body's end"}));
}

TEST(Regions, R5_a_body_that_ends_err_cancels_the_region_with_fail_fast) {
  Bench bench;
  std::optional<CancelReason> seen;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, notes_reason, unsafe_send(&seen)).value();
    co_await cx.yield();
    co_await fail(ErrorCode::InvalidArgument, "the body's own");
    co_return 1;
  };
  auto outcome = bench.run_region(body);
  ASSERT_TRUE(outcome.is_err());
  EXPECT_EQ(outcome.error().message(), "the body's own");
  EXPECT_EQ(seen->kind(), CancelKind::FailFast);
  EXPECT_NE(seen->message().find("the body's own"), std::string::npos) << "that failure as the cause";
}

TEST(Regions, R5_a_body_that_panics_cancels_the_region_with_fail_fast) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, sleeper).value();
    co_await cx.yield();
    throw std::runtime_error("the body's own");
  };
  auto outcome = bench.run_region(body);
  ASSERT_TRUE(outcome.is_panicked()) << outcome;
  EXPECT_NE(outcome.panic().message().find("the body's own"), std::string::npos);
  EXPECT_EQ(bench.stepper.now(), Time::zero()) << "the sleeper was not cancelled";
}

TEST(Regions, R5_a_body_that_ends_cancelled_cancels_the_region_with_that_reason) {
  Bench bench;
  std::optional<CancelReason> seen;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, notes_reason, unsafe_send(&seen)).value();
    co_await cx.yield();
    co_await cancelled(CancelReason::timeout("of its own accord"));
    co_return 1;
  };
  Outcome<int> outcome = region_outcome(bench, body);
  ASSERT_TRUE(outcome.is_cancelled()) << outcome;
  EXPECT_EQ(outcome.cancel_reason().message(), "of its own accord");
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->kind(), CancelKind::Timeout);
  EXPECT_EQ(seen->message(), "of its own accord");
}

TEST(Regions, R5_close_begins_closing_at_once) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto handle = scope.spawn(cx, answer, 4).value();
    scope.close();
    EXPECT_EQ(bench.stepper.region(cx.region_id())->state, RegionState::Closing);
    EXPECT_EQ(scope.spawn(cx, answer, 1).error().kind(), SpawnErrorKind::RegionClosed);
    EXPECT_FALSE(cx.is_cancel_requested()) << "closing is no request";
    co_return co_await handle.join(cx);
  };
  EXPECT_EQ(bench.run_region(body).value(), 4);
}

TEST(Regions, R5_a_throwing_factory_closes_the_region_and_the_exception_goes_on) {
  Bench bench;
  RegionId id;
  auto factory = [&](Cx cx, Scope<>& scope) -> Task<int> {  // not a coroutine: it throws before it makes one
    id = cx.region_id();
    (void)scope.spawn(cx, sleeper).value();
    throw std::logic_error("no body today");
  };
  auto outer = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto ended = co_await scope.region(cx, FailFast{}, factory).outcome();
    EXPECT_TRUE(ended.is_panicked()) << ended;
    if (ended.is_panicked()) {
      EXPECT_THROW(std::rethrow_exception(ended.panic().exception()), std::logic_error);
    }
  };
  auto outcome = bench.run_region(outer);
  // The region's coroutine is where the exception goes on; to its awaiter that is a panic, which .outcome() shows.
  EXPECT_TRUE(outcome.is_ok()) << outcome;
  EXPECT_FALSE(bench.stepper.region(id));
  EXPECT_EQ(bench.stepper.now(), Time::zero());
  EXPECT_TRUE(bench.stepper.region(bench.root)->children.empty());
}

TEST(Regions, R5_a_throwing_factory_in_block_on_reaches_the_caller) {
  Runtime runtime = Runtime::builder().workers(1).build();
  auto factory = [&](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, sleeper).value();
    throw std::logic_error("no body today");
  };
  EXPECT_THROW((void)runtime.block_on(factory), std::logic_error);
  EXPECT_TRUE(runtime.snapshot().regions.empty());
  EXPECT_EQ(runtime.stats().regions_opened, runtime.stats().regions_closed);
  EXPECT_EQ(runtime.stats().tasks_spawned, runtime.stats().tasks_completed);
}

TEST(Regions, R5_a_local_callers_body_is_pinned_to_its_worker) {
  Runtime runtime = Runtime::builder().workers(3).build();
  auto local = [](Cx cx) -> Task<> {
    const std::thread::id home = std::this_thread::get_id();
    auto body = [&](Cx inner, Scope<>&) -> Task<> {
      for (int i = 0; i < repeated(200); ++i) {
        EXPECT_EQ(std::this_thread::get_id(), home);
        co_await inner.yield();
      }
    };
    co_await region(cx, FailFast{}, body);
    EXPECT_EQ(std::this_thread::get_id(), home);
  };
  auto busy = [](Cx cx) -> Task<> {
    for (int i = 0; i < repeated(200); ++i) co_await cx.yield();
  };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    for (int i = 0; i < 4; ++i) {
      (void)scope.spawn_local(cx, local).value();
      (void)scope.spawn(cx, busy).value();
    }
    co_return;
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
}

// ---- R6: awaiting a region is never cut short ----

TEST(Regions, R6_a_request_on_the_awaiter_does_not_end_the_await) {
  Bench bench;
  Door door;
  Lines lines;
  auto task = [](Cx cx, Door* held, Lines* out) -> Task<> {
    Farewell local(out, "awaiter's frame");
    auto body = [&](Cx, Scope<>&) -> Task<> {
      co_await *held;  // ignores its request
      out->push_back("body ends");
    };
    co_await region(cx, FailFast{}, body);
  };
  auto handle = bench.scope.spawn(bench.cx, task, unsafe_send(&door), unsafe_send(&lines)).value();
  bench.stepper.run_until_idle();
  handle.abort();
  bench.stepper.run_until_idle();
  EXPECT_EQ(lines, Lines{});
  EXPECT_TRUE(bench.stepper.region(bench.stepper.region(bench.root)->children.at(0))->cancel_reason)
      << "the request reached the region instead";
  door.open();
  bench.stepper.run_until_idle();
  EXPECT_EQ(lines, (Lines{"body ends", "awaiter's frame"}));
}

TEST(Regions, R6_an_escalated_awaiter_is_destroyed_only_after_its_regions_have_drained) {
  Bench bench;
  Door door;
  Lines lines;
  auto bounded = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto awaiter = [](Cx mine, Door* held, Lines* out) -> Task<> {
      Farewell local(out, "awaiter's frame");
      auto body = [&](Cx, Scope<>&) -> Task<> {
        Farewell inner(out, "body's frame");
        co_await *held;  // a foreign await: not escalated either
        out->push_back("body goes on");
      };
      (void)co_await region(mine, FailFast{}, body).outcome();
      out->push_back("awaiter goes on");
      MaskGuard mask = mine.mask();
      co_await mine.sleep(1h);
      out->push_back("never");
    };
    (void)scope.spawn(cx, awaiter, unsafe_send(&door), unsafe_send(&lines)).value();
    co_return;
  };
  RegionOptions options = RegionOptions().with_cleanup(CleanupBudget{1'000'000, 1s}).bounded();
  auto opener = [&](Cx cx, Scope<>& scope) -> Task<> {
    (void)co_await scope.region_with(cx, options, FailFast{}, bounded).outcome();
  };
  auto root_task = [](Cx cx, decltype(opener)* open) -> Task<> { co_await region(cx, FailFast{}, *open); };
  auto handle = bench.scope.spawn(bench.cx, root_task, unsafe_send(&opener)).value();
  bench.stepper.run_until_idle();
  handle.abort();
  bench.stepper.run_until_idle();
  bench.stepper.advance(10s);
  bench.stepper.run_until_idle();
  EXPECT_EQ(lines, Lines{}) << "a frame went while what may borrow from it was alive";
  door.open();
  bench.stepper.run_until_idle();
  ASSERT_GE(lines.size(), 2u);
  EXPECT_EQ(lines.back(), "awaiter's frame");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "never"), 0);
  EXPECT_TRUE(handle.is_finished());
}

// ---- R10: a request that ended a child or the body ----

TEST(Regions, R10_a_cancelled_child_makes_the_region_cancelled_even_if_the_body_returned) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, sleeper).value();
    co_await cx.yield();
    scope.cancel(CancelReason::user("from its own scope"));
    co_return 5;
  };
  Outcome<int> outcome = region_outcome(bench, body);
  ASSERT_TRUE(outcome.is_cancelled()) << outcome;
  EXPECT_EQ(outcome.cancel_reason().message(), "from its own scope");
  EXPECT_EQ(outcome.cancel_reason().kind(), CancelKind::User);
}

TEST(Regions, R10_a_request_that_ended_nobody_leaves_the_value) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    auto child = [](Cx mine) -> Task<> { (void)co_await mine.sleep(1h).outcome(); };
    (void)scope.spawn(cx, child).value();
    co_await cx.yield();
    scope.cancel(CancelReason::user("from its own scope"));
    co_return 5;
  };
  EXPECT_EQ(region_outcome(bench, body).value(), 5);
}

TEST(Regions, R10_a_child_region_that_the_request_ended_counts_as_a_child) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    auto inner = [&](Cx mine, Scope<>&) -> Task<> {
      scope.cancel(CancelReason::user("from its own scope"));
      co_await mine.sleep(1h);
    };
    EXPECT_TRUE((co_await scope.region(cx, FailFast{}, inner).outcome()).is_cancelled());
    co_return 5;  // as if nothing had been
  };
  Outcome<int> outcome = region_outcome(bench, body);
  ASSERT_TRUE(outcome.is_cancelled()) << outcome;
  EXPECT_EQ(outcome.cancel_reason().message(), "from its own scope");
}

TEST(Regions, R10_the_regions_own_fail_fast_does_not_count) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, sleeper).value();
    (void)scope.launch(cx, failing, std::string("the cause"));
    co_await cx.yield();
    co_return 5;
  };
  Outcome<int> outcome = region_outcome(bench, body);
  ASSERT_TRUE(outcome.is_err()) << "Cancelled hid its cause: " << outcome;
  EXPECT_EQ(outcome.error().message(), "the cause");
}

TEST(Regions, R10_a_panic_stays_the_worst) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, sleeper).value();
    co_await cx.yield();
    scope.cancel(CancelReason::user("from its own scope"));
    throw std::runtime_error("worst");
  };
  Outcome<int> outcome = region_outcome(bench, body);
  ASSERT_TRUE(outcome.is_panicked()) << outcome;
}

TEST(Regions, R10_an_err_of_the_body_yields_to_a_request_that_ended_a_child_before) {
  Bench bench;
  Door door;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto child = [](Cx mine, Door* opens) -> Task<> {
      auto slept = co_await mine.sleep(1h).outcome();
      opens->open();
      co_await slept;
    };
    (void)scope.spawn(cx, child, unsafe_send(&door)).value();
    co_await cx.yield();
    scope.cancel(CancelReason::user("from its own scope"));
    co_await door;
    co_await fail(ErrorCode::User, "weaker");
    co_return 1;
  };
  Outcome<int> outcome = region_outcome(bench, body);
  ASSERT_TRUE(outcome.is_cancelled()) << outcome;
  EXPECT_EQ(outcome.cancel_reason().message(), "from its own scope");
}

TEST(Regions, R10_a_budget_that_ends_a_child_shows) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, sleeper).value();
    co_return 5;
  };
  std::optional<Outcome<int>> seen;
  auto outer = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto budget = Budget::infinite().with_deadline(Time::zero() + 1s);
    seen = co_await scope.region_with_budget(cx, budget, FailFast{}, body).outcome();
  };
  EXPECT_TRUE(bench.run_region(outer).is_ok());
  ASSERT_TRUE(seen->is_cancelled()) << *seen;
  EXPECT_EQ(seen->cancel_reason().kind(), CancelKind::Deadline);
}

}  // namespace
}  // namespace quiesce::semantics
