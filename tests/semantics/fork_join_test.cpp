// The rules as they hold for the branches of a fork_join.
#include <stdexcept>

#include "quiesce/fork_join.hpp"
#include "support.hpp"

namespace quiesce::semantics {
namespace {

Task<int> plain(Cx, int value) { co_return value; }
Task<int> later(Cx cx, Duration delay, int value) {
  co_await cx.sleep(delay);
  co_return value;
}
Task<int> err(Cx, int value) {
  co_await fail(Error("err " + std::to_string(value)));
  co_return value;
}
Task<int> late_err(Cx cx, Duration delay, int value) {
  co_await cx.sleep(delay);
  co_return co_await err(cx, value);
}
Task<int> panics(Cx, int value) {
  throw std::runtime_error("panic " + std::to_string(value));
  co_return value;
}
/// Says when it begins and when its frame goes.
Task<int> told(Cx cx, Lines* lines, std::string name, Duration delay) {
  Farewell end(lines, name + " ends");
  lines->push_back(name + " begins");
  if (delay > Duration::zero()) co_await cx.sleep(delay);
  co_await cx.checkpoint();
  co_return 1;
}

// ---- outcomes ----

TEST(ForkJoin, O1_the_values_come_in_the_order_of_the_branches) {
  Bench<> b;
  auto body = [](Cx cx) -> Task<int> {
    auto [x, y, z] = co_await fork_join(cx, fork(plain, 1), call(plain, 2), fork(later, 3ms, 3));
    co_return 100 * x + 10 * y + z;
  };
  EXPECT_EQ(b.run(body(b.cx)).value(), 123);
  EXPECT_EQ(b.stepper.now(), Time::zero() + 3ms);
}

TEST(ForkJoin, O1_a_branch_without_a_value_gives_a_unit) {
  Bench<> b;
  auto nothing = [](Cx) -> Task<> { co_return; };
  auto body = [&](Cx cx) -> Task<int> {
    auto [unit, x] = co_await fork_join(cx, fork(nothing), fork(plain, 2));
    static_assert(std::same_as<decltype(unit), std::monostate>);
    co_return x;
  };
  EXPECT_EQ(b.run(body(b.cx)).value(), 2);
}

TEST(ForkJoin, J7_the_worst_outcome_ends_the_awaiting_coroutine) {
  for (const bool forked_panics : {false, true}) {
    Bench<> b;
    auto body = [&](Cx cx) -> Task<int> {
      if (forked_panics) {
        auto [x, y] = co_await fork_join(cx, fork(panics, 1), call(err, 2));
        co_return x + y;
      }
      auto [x, y] = co_await fork_join(cx, fork(err, 2), call(panics, 1));
      co_return x + y;
    };
    const Outcome<int> o = b.run(body(b.cx));
    ASSERT_TRUE(o.is_panicked()) << o;
    EXPECT_NE(o.panic().message().find("panic 1"), std::string::npos) << o;
    ASSERT_EQ(o.attached().size(), 1u);
    EXPECT_EQ(o.attached().front().kind, OutcomeKind::Err);
  }
}

TEST(ForkJoin, O2_of_equal_failures_the_first_stands) {
  Bench<> b;
  auto body = [](Cx cx) -> Task<int> {
    auto [x, y] = co_await fork_join(cx, fork(err, 1), call(err, 2));
    co_return x + y;
  };
  const Outcome<int> o = b.run(body(b.cx));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(o.error().message(), "err 2");
  EXPECT_EQ(o.attached().size(), 1u);
}

TEST(ForkJoin, O2_what_it_has_stopped_itself_takes_no_part) {
  Bench<> b;
  Lines lines;
  auto body = [&](Cx cx) -> Task<int> {
    auto [x, y] = co_await fork_join(cx, fork(told, &lines, std::string("fork"), 1h), call(late_err, 5ms, 2));
    co_return x + y;
  };
  const Outcome<int> o = b.run(body(b.cx));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(o.error().message(), "err 2");
  EXPECT_TRUE(o.attached().empty());
  EXPECT_EQ(lines, (Lines{"fork begins", "fork ends"}));
  EXPECT_EQ(b.stepper.now(), Time::zero() + 5ms);
}

TEST(ForkJoin, J7_a_handed_branch_that_fails_stops_its_siblings_at_once) {
  Bench<> b;
  Lines lines;
  auto body = [&](Cx cx) -> Task<int> {
    auto [x, y, z] = co_await fork_join(cx, fork(told, &lines, std::string("fork"), 1h), fork(late_err, 5ms, 2),
                                        call(later, 1ms, 3));
    co_return x + y + z;
  };
  const Outcome<int> o = b.run(body(b.cx));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(b.stepper.now(), Time::zero() + 5ms);
}

TEST(ForkJoin, O3_a_function_that_throws_before_it_is_a_coroutine_is_a_panic) {
  Bench<> b;
  auto throws = [](Cx) -> Task<int> { throw std::runtime_error("no coroutine"); };
  auto body = [&](Cx cx) -> Task<int> {
    auto [x, y] = co_await fork_join(cx, fork(throws), call(plain, 1));
    co_return x + y;
  };
  EXPECT_TRUE(b.run(body(b.cx)).is_panicked());
  auto waits = [&](Cx cx) -> Task<int> {  // then the other is a task when it throws
    auto [x, y] = co_await fork_join(cx, fork(throws), call(later, 1ms, 1));
    co_return x + y;
  };
  EXPECT_TRUE(b.run(waits(b.cx)).is_panicked());
}

TEST(ForkJoin, O4_a_function_that_gives_no_task_is_an_err) {
  Bench<> b;
  auto empty = [](Cx cx) -> Task<int> {
    Task<int> task = plain(cx, 1);
    Task<int> taken = std::move(task);
    return task;
  };
  auto body = [&](Cx cx) -> Task<int> {
    auto [x, y] = co_await fork_join(cx, fork(empty), call(plain, 1));
    co_return x + y;
  };
  const Outcome<int> o = b.run(body(b.cx));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(o.error().code(), ErrorCode::EmptyTask);
}

// ---- nothing outlives ----

TEST(ForkJoin, R6_the_frame_goes_when_every_branch_has_ended) {
  Bench<> b;
  Lines lines;
  auto slow = [&](Cx cx) -> Task<int> {  // takes its time, whoever asks
    const MaskGuard mask = cx.mask();
    co_return co_await told(cx, &lines, "fork", 9ms);
  };
  auto body = [&](Cx cx) -> Task<int> {
    Farewell frame(&lines, "frame goes");
    auto [x, y] = co_await fork_join(cx, fork(slow), call(late_err, 5ms, 2));
    co_return x + y;
  };
  EXPECT_TRUE(b.run(body(b.cx)).is_err());
  EXPECT_EQ(lines, (Lines{"fork begins", "fork ends", "frame goes"}));
  EXPECT_EQ(b.stepper.now(), Time::zero() + 9ms);
}

TEST(ForkJoin, R6_an_escalation_does_not_pass_a_parent_whose_branches_live) {
  Bench<> b;
  Lines lines;
  auto ignores = [&](Cx cx, std::string name, Duration time) -> Task<int> {
    Farewell end(&lines, name + " goes");
    for (const Time begun = cx.now(); cx.now() < begun + time;) {
      const MaskGuard mask = cx.mask();
      (void)co_await cx.sleep(1s).outcome();
    }
    co_return 1;
  };
  auto foreign = [&](Cx, Door* door) -> Task<int> {  // never escalated
    Farewell end(&lines, "the one at the door goes");
    co_await *door;
    co_return 1;
  };
  Door door;
  auto body = [&](Cx cx, Scope<>&) -> Task<int> {
    Farewell frame(&lines, "the parent goes");
    auto [x, y] = co_await fork_join(cx, fork(foreign, &door), call(ignores, std::string("the deaf one"), 60s));
    co_return x + y;
  };
  auto opener = b.spawn([&](Cx cx) -> Task<> {
    auto region =
        b.scope.region_with(cx, RegionOptions().bounded().with_cleanup({1000, 10s}), FailFast{}, body);
    (void)co_await std::move(region).outcome();
  });
  b.stepper.run_until_idle();
  opener.abort();
  for (int second = 0; second < 15; ++second) {
    b.stepper.advance(1s);
    b.stepper.run_until_idle();
  }
  EXPECT_EQ(lines, (Lines{"the deaf one goes"}));
  door.open();
  b.stepper.run_until_idle();
  EXPECT_EQ(lines, (Lines{"the deaf one goes", "the one at the door goes", "the parent goes"}));
  EXPECT_TRUE(opener.is_finished());
}

// ---- requests ----

TEST(ForkJoin, C4_a_request_on_the_task_reaches_every_branch) {
  Bench<CollectAll> b;
  Lines lines;
  auto handle = b.spawn([&lines](Cx cx) -> Task<int> {
    auto [x, y, z] = co_await fork_join(cx, fork(told, &lines, std::string("one"), 1h),
                                        fork(told, &lines, std::string("two"), 1h), call(plain, 3));
    co_return x + y + z;
  });
  b.stepper.run_until_idle();
  EXPECT_EQ(lines, (Lines{"two begins", "one begins"}));
  handle.abort();
  b.stepper.run_until_idle();
  ASSERT_TRUE(handle.is_finished());
  EXPECT_EQ(lines.size(), 4u);
  auto joins = [&](Cx cx) -> Task<Outcome<int>> { co_return co_await handle.join(cx).outcome(); };
  const Outcome<int> o = b.run(joins(b.cx)).value();
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(b.stepper.now(), Time::zero());
}

TEST(ForkJoin, C4_a_request_reaches_branches_of_branches) {
  Bench<CollectAll> b;
  Lines lines;
  auto inner = [&](Cx cx) -> Task<int> {
    auto [x, y] = co_await fork_join(cx, fork(told, &lines, std::string("deep"), 1h), call(later, 1h, 1));
    co_return x + y;
  };
  auto handle = b.spawn([&](Cx cx) -> Task<int> {
    auto [x, y] = co_await fork_join(cx, fork(inner), call(later, 1h, 1));
    co_return x + y;
  });
  b.stepper.run_until_idle();
  EXPECT_EQ(lines, (Lines{"deep begins"}));
  handle.abort();
  b.stepper.run_until_idle();
  EXPECT_TRUE(handle.is_finished());
  EXPECT_EQ(lines, (Lines{"deep begins", "deep ends"}));
}

TEST(ForkJoin, C6_a_branch_that_has_not_begun_begins_and_sees_the_request) {
  Bench<> b;
  Lines lines;
  auto body = [&](Cx cx) -> Task<int> {
    auto [x, y] = co_await fork_join(cx, fork(told, &lines, std::string("fork"), 0ms), call(err, 2));
    co_return x + y;
  };
  EXPECT_TRUE(b.run(body(b.cx)).is_err());
  EXPECT_EQ(lines, (Lines{"fork begins", "fork ends"}));
}

TEST(ForkJoin, J7_it_is_no_cancel_point_itself) {
  Bench<CollectAll> b;
  auto handle = b.spawn([](Cx cx) -> Task<int> {
    auto [x, y] = co_await fork_join(cx, fork(plain, 1), call(plain, 2));
    co_return x + y;
  });
  handle.abort();
  auto joins = [&](Cx cx) -> Task<int> { co_return co_await handle.join(cx); };
  EXPECT_EQ(b.run(joins(b.cx)).value(), 3);
}

TEST(ForkJoin, C11_branches_that_begin_under_a_mask_are_shielded) {
  Bench<CollectAll> b;
  auto handle = b.spawn([](Cx cx) -> Task<int> {
    const MaskGuard mask = cx.mask();
    auto [x, y] = co_await fork_join(cx, fork(later, 9ms, 1), call(later, 5ms, 2));
    co_return x + y;
  });
  b.stepper.run_until_idle();
  handle.abort();
  auto joins = [&](Cx cx) -> Task<int> { co_return co_await handle.join(cx); };
  EXPECT_EQ(b.run(joins(b.cx)).value(), 3);
  EXPECT_EQ(b.stepper.now(), Time::zero() + 9ms);
}

TEST(ForkJoin, C11_the_shield_ends_with_the_masks_budget) {
  Bench<CollectAll> b(with_cleanup(1000, 20ms));
  Lines lines;
  auto handle = b.spawn([&](Cx cx) -> Task<int> {
    const MaskGuard mask = cx.mask();
    auto [x, y] = co_await fork_join(cx, fork(told, &lines, std::string("fork"), 1h), call(plain, 2));
    co_return x + y;
  });
  b.stepper.run_until_idle();
  handle.abort();
  b.stepper.run_until_idle();
  EXPECT_EQ(lines, (Lines{"fork begins"}));
  b.stepper.advance(20ms);
  b.stepper.run_until_idle();
  EXPECT_TRUE(handle.is_finished());
  EXPECT_EQ(lines, (Lines{"fork begins", "fork ends"}));
}

// ---- regions ----

TEST(ForkJoin, J8_a_region_that_closes_refuses_no_branch) {
  Bench<> b;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    scope.close();
    EXPECT_FALSE(scope.spawn(cx, answer, 1).has_value());
    auto [x, y] = co_await fork_join(cx, fork(later, 5ms, 1), call(later, 5ms, 2));
    co_return x + y;
  };
  EXPECT_EQ(b.run_region(body).value(), 3);
  EXPECT_EQ(b.stepper.now(), Time::zero() + 5ms);
}

TEST(ForkJoin, R4_a_finalizer_may_fork) {
  Bench<> b;
  int got = 0;
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    auto end = [&got](Cx cx) -> Task<> {
      auto [x, y] = co_await fork_join(cx, fork(later, 1ms, 1), call(later, 2ms, 2));
      got = x + y;
    };
    EXPECT_TRUE(scope.defer_async(UnsafeSend(end)).has_value());
    co_return;
  };
  EXPECT_TRUE(b.run_region(body).is_ok());
  EXPECT_EQ(got, 3);
}

TEST(ForkJoin, J8_branches_are_not_counted_by_the_limit_of_tasks) {
  Bench<> b;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    auto spawns = [&scope](Cx mine) -> Task<int> {
      co_await mine.sleep(1ms);  // the others are tasks by now
      auto one = scope.spawn(mine, sleeper);
      EXPECT_TRUE(one.has_value());
      auto two = scope.spawn(mine, sleeper);
      EXPECT_FALSE(two.has_value());
      if (one) one->abort();
      co_return 1;
    };
    auto [x, y, z] = co_await fork_join(cx, fork(later, 5ms, 1), fork(later, 5ms, 2), call(spawns));
    co_return x + y + z;
  };
  EXPECT_EQ(b.run_region(body, RegionOptions().with_limits({.max_tasks = 1})).value(), 4);
}

TEST(ForkJoin, R11_a_context_of_another_task_is_refused) {
  Bench<> b;
  auto handle = b.spawn([](Cx cx) -> Task<int> { return later(cx, 1h, 1); });
  bool begun = false;
  auto body = [&](Cx, Cx foreign) -> Task<int> {
    auto branch = [&](Cx) -> Task<int> {
      begun = true;
      co_return 1;
    };
    auto [x, y] = co_await fork_join(foreign, fork(branch), call(branch));
    co_return x + y;
  };
  Cx foreign;
  auto gives = b.spawn([&foreign](Cx cx) -> Task<> {
    foreign = cx;
    co_await cx.sleep(1h);
  });
  b.stepper.run_until_idle();
  const Outcome<int> o = b.run(body(b.cx, foreign));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(o.error().code(), ErrorCode::ForeignContext);
  EXPECT_NE(o.error().message().find("fork_join"), std::string::npos) << o;
  EXPECT_FALSE(begun);
  handle.abort();
  gives.abort();
}

// ---- budgets, panics, scheduling ----

TEST(ForkJoin, B4_branches_spend_the_budget_of_their_region) {
  Bench<> b;
  auto restless = [](Cx cx) -> Task<int> {
    for (;;) co_await cx.yield();
  };
  auto body = [&](Cx cx, Scope<>&) -> Task<int> {
    auto [x, y] = co_await fork_join(cx, fork(restless), call(restless));
    co_return x + y;
  };
  auto region = b.scope.region_with_budget(b.cx, Budget::infinite().with_poll_quota(20), FailFast{}, body);
  const Outcome<int> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().kind(), CancelKind::PollQuota);
}

TEST(ForkJoin, J7_a_branchs_panic_is_its_parents_and_reaches_the_policy_with_it) {
  Bench<> b;
  int seen = 0;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto work = UnsafeSend([&seen](Cx mine) -> Task<int> {
      auto both = [](Cx inner) -> Task<int> {
        auto [x, y] = co_await fork_join(inner, fork(panics, 1), call(later, 1ms, 1));
        co_return x + y;
      };
      auto joined = both(mine);
      const Outcome<int> o = co_await std::move(joined).outcome();
      seen = o.is_panicked() ? 1 : 2;
      co_return 0;
    });
    auto handle = co_await scope.spawn(cx, std::move(work));
    co_return co_await handle.join(cx);
  };
  EXPECT_EQ(b.run_region(body).value(), 0);  // observed below: no policy has seen it
  EXPECT_EQ(seen, 1);
}

Task<long> fib(Cx cx, int n) {
  if (n < 2) co_return n;
  auto [x, y] = co_await fork_join(cx, fork(fib, n - 1), call(fib, n - 2));
  co_return x + y;
}

TEST(ForkJoin, H4_a_task_of_many_branches_gives_way) {
  Bench<> b;
  bool other = false, before = false;
  auto handle = b.spawn([&](Cx cx) -> Task<long> {
    auto sum = fib(cx, 12);
    const long got = co_await std::move(sum);
    before = other;
    co_return got;
  });
  auto waits = b.spawn([&other](Cx) -> Task<> {
    other = true;
    co_return;
  });
  auto joins = [&](Cx cx) -> Task<long> { co_return co_await handle.join(cx); };
  EXPECT_EQ(b.run(joins(b.cx)).value(), 144);
  EXPECT_TRUE(before);
}

TEST(ForkJoin, S8_branches_that_are_tasks_have_ids_of_their_own) {
  Bench<> b;
  std::set<std::string> paths;
  auto named = [&paths](Cx cx) -> Task<int> {
    co_await cx.sleep(1ms);
    paths.insert(cx.path());
    co_return 1;
  };
  auto body = [&](Cx cx) -> Task<int> {
    auto [x, y, z] = co_await fork_join(cx, fork(named), fork(named), call(named));
    co_return x + y + z;
  };
  EXPECT_EQ(b.run(body(b.cx)).value(), 3);
  EXPECT_EQ(paths.size(), 3u);
}

}  // namespace
}  // namespace quiesce::semantics
