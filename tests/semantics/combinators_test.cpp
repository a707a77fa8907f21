// Rules J1 to J6.
#include <set>
#include <tuple>

#include "support.hpp"

namespace quiesce::semantics {
namespace {

/// Ends after a delay as `end` says.
enum class End { Ok, Err, Cancel, Panic };
Task<int> branch(Cx cx, Duration delay, End end, int value) {
  if (delay > Duration::zero()) co_await cx.sleep(delay);
  switch (end) {
    case End::Ok: break;
    case End::Err: co_await fail(Error("err " + std::to_string(value))); break;
    case End::Cancel: co_await cancelled(CancelReason::user("cancel " + std::to_string(value))); break;
    case End::Panic: throw std::runtime_error("panic " + std::to_string(value));
  }
  co_return value;
}
Task<int> never(Cx cx) {
  for (;;) co_await cx.sleep(1h);
}
/// Ends as `end` says when it is asked to stop.
Task<int> when_asked(Cx cx, End end) {
  (void)co_await cx.sleep(1h).outcome();
  MaskGuard mask = cx.mask();
  co_return co_await branch(cx, Duration::zero(), end, 99);
}

/// Failures stay with whoever holds the handle: the root collects.
struct Branches : Bench<CollectAll> {
  using Bench::Bench;
  TaskHandle<int> make(Duration delay, End end, int value) {
    return scope.spawn(cx, branch, delay, end, value).value();
  }
  TaskHandle<int> make_never() { return scope.spawn(cx, never).value(); }
  TaskHandle<int> make_when_asked(End end) { return scope.spawn(cx, when_asked, end).value(); }
  std::vector<TaskHandle<int>> list(TaskHandle<int> a, TaskHandle<int> b) {
    std::vector<TaskHandle<int>> handles;
    handles.push_back(std::move(a));
    handles.push_back(std::move(b));
    return handles;
  }
};

template <class T>
std::string describe(const Outcome<T>& o) {
  if (o.is_ok()) return "ok";
  if (o.is_err()) return o.error().message();
  if (o.is_cancelled())
    return std::string(to_string(o.cancel_reason().kind())) + " " + o.cancel_reason().message();
  return o.panic().message().substr(o.panic().message().find("panic ", 6));
}

// ---- J1 ----

TEST(Combinators, J1_join_awaits_all_whatever_the_outcomes_and_keeps_the_order) {
  Branches b;
  auto join = b.scope.join(b.cx, b.make(9ms, End::Ok, 1), b.make(1ms, End::Err, 2), b.make(5ms, End::Cancel, 3),
                           b.make(3ms, End::Panic, 4));
  auto o = b.run(std::move(join));
  ASSERT_TRUE(o.is_ok());
  EXPECT_EQ(std::get<0>(o.value()).value(), 1);
  EXPECT_EQ(describe(std::get<1>(o.value())), "err 2");
  EXPECT_EQ(describe(std::get<2>(o.value())), "User cancel 3");
  EXPECT_EQ(describe(std::get<3>(o.value())), "panic 4");
  EXPECT_EQ(b.stepper.now(), Time::zero() + 9ms);
}

TEST(Combinators, J1_join_all_does_the_same_for_a_vector) {
  Branches b;
  auto join = b.scope.join_all(b.cx, b.list(b.make(9ms, End::Ok, 1), b.make(1ms, End::Err, 2)));
  auto o = b.run(std::move(join));
  ASSERT_TRUE(o.is_ok());
  ASSERT_EQ(o.value().size(), 2u);
  EXPECT_EQ(o.value()[0].value(), 1);
  EXPECT_EQ(describe(o.value()[1]), "err 2");
  auto empty = b.scope.join_all(b.cx, std::vector<TaskHandle<int>>());
  EXPECT_TRUE(b.run(std::move(empty)).value().empty());
}

TEST(Combinators, J1_try_join_gives_all_values_in_order) {
  Branches b;
  auto unit = b.scope.spawn(b.cx, sleeper).value();
  auto join = b.scope.try_join(b.cx, b.make(9ms, End::Ok, 1), std::move(unit), b.make(1ms, End::Ok, 2));
  auto o = b.run(std::move(join));
  EXPECT_EQ(std::get<0>(o.value()), 1);
  EXPECT_EQ(std::get<2>(o.value()), 2);
  auto all = b.scope.try_join_all(b.cx, b.list(b.make(9ms, End::Ok, 3), b.make(1ms, End::Ok, 4)));
  EXPECT_EQ(b.run(std::move(all)).value(), (std::vector{3, 4}));
}

TEST(Combinators, J1_try_join_ends_with_the_first_failure_once_the_rest_has_drained) {
  for (End end : {End::Err, End::Cancel, End::Panic}) {
    for (bool vector : {false, true}) {
      Branches b;
      Outcome<> o = Outcome<>::ok();
      auto rest = b.make_never();
      const TaskId rest_id = rest.task_id();
      if (vector) {
        auto join = b.scope.try_join_all(b.cx, b.list(std::move(rest), b.make(2ms, end, 5)));
        auto full = b.run(std::move(join));
        ASSERT_FALSE(full.is_ok());
        o = std::move(full).failure_as<void>();
      } else {
        auto join = b.scope.try_join(b.cx, std::move(rest), b.make(2ms, end, 5), b.make(9ms, End::Err, 6));
        auto full = b.run(std::move(join));
        ASSERT_FALSE(full.is_ok());
        o = std::move(full).failure_as<void>();
      }
      EXPECT_EQ(describe(o), end == End::Err ? "err 5" : end == End::Cancel ? "User cancel 5" : "panic 5");
      EXPECT_EQ(b.stepper.now(), Time::zero() + 2ms);
      for (TaskId live : b.stepper.live_tasks()) EXPECT_NE(live, rest_id);
    }
  }
}

TEST(Combinators, J1_try_join_cancels_the_rest_with_fail_fast) {
  Branches b;
  std::optional<CancelReason> seen;
  auto rest = b.spawn([&](Cx cx) -> Task<int> {
    (void)co_await cx.sleep(1h).outcome();
    seen = cx.cancel_reason();
    co_return 1;
  });
  auto join = b.scope.try_join(b.cx, std::move(rest), b.make(2ms, End::Err, 5));
  EXPECT_TRUE(b.run(std::move(join)).is_err());
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->kind(), CancelKind::FailFast);
}

TEST(Combinators, J1_a_panic_of_the_rest_is_worse_than_the_first_failure) {
  for (bool vector : {false, true}) {
    Branches b;
    OutcomeKind kind;
    std::string text;
    if (vector) {
      auto join = b.scope.try_join_all(b.cx, b.list(b.make_when_asked(End::Panic), b.make(2ms, End::Err, 5)));
      auto o = b.run(std::move(join));
      kind = o.kind();
      text = describe(o);
      EXPECT_EQ(o.attached().size(), 1u);
    } else {
      auto join = b.scope.try_join(b.cx, b.make_when_asked(End::Panic), b.make(2ms, End::Err, 5));
      auto o = b.run(std::move(join));
      kind = o.kind();
      text = describe(o);
      EXPECT_EQ(o.attached().size(), 1u);
    }
    EXPECT_EQ(kind, OutcomeKind::Panicked);
    EXPECT_EQ(text, "panic 99");
  }
}

// ---- J2 ----

TEST(Combinators, J2_the_first_terminal_outcome_wins) {
  for (End end : {End::Ok, End::Err, End::Cancel, End::Panic}) {
    Branches b;
    auto race = b.scope.race(b.cx, b.make(9ms, End::Ok, 1), b.make(2ms, end, 2), b.make(5ms, End::Ok, 3));
    Outcome<int> o = b.run(std::move(race));
    EXPECT_EQ(b.stepper.now(), Time::zero() + 2ms);
    switch (end) {
      case End::Ok: EXPECT_EQ(o.value(), 2); break;
      case End::Err: EXPECT_EQ(describe(o), "err 2"); break;
      case End::Cancel: EXPECT_EQ(describe(o), "User cancel 2"); break;
      case End::Panic: EXPECT_EQ(describe(o), "panic 2"); break;
    }
  }
}

TEST(Combinators, J2_race_all_gives_the_index) {
  Branches b;
  auto race = b.scope.race_all(b.cx, b.list(b.make(9ms, End::Ok, 1), b.make(2ms, End::Ok, 2)));
  auto o = b.run(std::move(race));
  EXPECT_EQ(o.value().value, 2);
  EXPECT_EQ(o.value().index, 1u);
}

TEST(Combinators, J2_losers_are_cancelled_with_race_lost_where_they_still_run) {
  Branches b;
  std::optional<CancelReason> seen;
  auto loser = b.spawn([&](Cx cx) -> Task<int> {
    (void)co_await cx.sleep(1h).outcome();
    seen = cx.cancel_reason();
    co_return 1;
  });
  auto race = b.scope.race(b.cx, std::move(loser), b.make(2ms, End::Ok, 2));
  EXPECT_EQ(b.run(std::move(race)).value(), 2);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->kind(), CancelKind::RaceLost);
}

/// Who wins when all are ready, for a seed.
std::size_t winner_of(std::uint64_t seed) {
  StepperOptions options;
  options.seed = seed;
  Branches b(options);
  std::vector<TaskHandle<int>> handles;
  for (int i = 0; i < 4; ++i) handles.push_back(b.make(Duration::zero(), End::Ok, i));
  b.stepper.run_until_idle();
  auto race = b.scope.race_all(b.cx, std::move(handles));
  auto o = b.run(std::move(race));
  EXPECT_EQ(static_cast<std::size_t>(o.value().value), o.value().index);
  return o.value().index;
}

TEST(Combinators, J2_among_the_ready_the_contexts_entropy_draws) {
  std::set<std::size_t> winners;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    std::size_t winner = winner_of(seed);
    EXPECT_EQ(winner_of(seed), winner);
    winners.insert(winner);
  }
  EXPECT_EQ(winners.size(), 4u);
}

TEST(Combinators, J2_ready_means_completed_when_the_racing_task_is_next_stepped) {
  std::set<int> winners;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    StepperOptions options;
    options.seed = seed;
    Branches b(options);
    auto racer = b.spawn([&](Cx cx) -> Task<int> {
      auto first = co_await b.scope.spawn(cx, branch, Duration(2ms), End::Ok, 1);
      auto second = co_await b.scope.spawn(cx, branch, Duration(2ms), End::Ok, 2);
      auto race = b.scope.race(cx, std::move(first), std::move(second));
      co_return co_await std::move(race);
    });
    winners.insert(b.stepper.run(racer.join(b.cx)).value());
  }
  EXPECT_EQ(winners, (std::set{1, 2}));  // both had ended before the racer's step
}

TEST(Combinators, J2_a_losers_panic_replaces_the_winners_value) {
  for (End winner : {End::Ok, End::Err, End::Cancel}) {
    Branches b;
    auto race = b.scope.race(b.cx, b.make_when_asked(End::Panic), b.make(2ms, winner, 1));
    Outcome<int> o = b.run(std::move(race));
    ASSERT_TRUE(o.is_panicked()) << o;
    EXPECT_EQ(describe(o), "panic 99");
  }
}

TEST(Combinators, J2_a_winners_panic_stands) {
  Branches b;
  auto race = b.scope.race(b.cx, b.make_when_asked(End::Panic), b.make(2ms, End::Panic, 1));
  EXPECT_EQ(describe(b.run(std::move(race))), "panic 1");
}

TEST(Combinators, J2_a_losers_value_and_failure_are_dropped) {
  for (End loser : {End::Ok, End::Err}) {
    Bench<> b;
    auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
      auto slow = co_await scope.spawn(cx, when_asked, loser);
      auto fast = co_await scope.spawn(cx, branch, Duration(2ms), End::Ok, 7);
      auto race = scope.race(cx, std::move(slow), std::move(fast));
      co_return co_await std::move(race);
    };
    auto region = b.scope.region(b.cx, FailFast{}, body);
    Outcome<int> o = b.run(std::move(region));
    ASSERT_TRUE(o.is_ok()) << o;
    EXPECT_EQ(o.value(), 7);
  }
}

TEST(Combinators, J2_an_empty_race_never_completes_and_can_be_cancelled) {
  Branches b;
  auto h = b.spawn([&](Cx cx) -> Task<int> {
    auto race = b.scope.race_all(cx, std::vector<TaskHandle<int>>());
    auto won = co_await std::move(race);
    co_return won.value;
  });
  b.stepper.run_until_idle();
  b.stepper.advance(1h);
  EXPECT_FALSE(h.is_finished());
  EXPECT_TRUE(b.stepper.runnable().empty());
  h.abort();
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_cancelled());
}

// ---- J3 ----

Task<int> primary_fast(Cx cx) { return branch(cx, 2ms, End::Ok, 1); }
Task<int> primary_slow(Cx cx) { return branch(cx, 50ms, End::Ok, 1); }
Task<int> primary_stuck(Cx cx) { return when_asked(cx, End::Err); }
Task<int> primary_stops_ok(Cx cx) { return when_asked(cx, End::Ok); }
Task<int> primary_stops_panicking(Cx cx) { return when_asked(cx, End::Panic); }
Task<int> backup(Cx cx) { return branch(cx, 5ms, End::Ok, 2); }

TEST(Combinators, J3_the_primary_alone_until_the_delay) {
  Branches b;
  auto hedge = b.scope.hedge(b.cx, 10ms, primary_fast, backup);
  EXPECT_EQ(b.run(std::move(hedge)).value(), 1);
  EXPECT_EQ(b.stepper.now(), Time::zero() + 2ms);
}

TEST(Combinators, J3_a_primary_that_fails_in_time_is_the_result) {
  Branches b;
  auto failing_primary = [](Cx cx) -> Task<int> { return branch(cx, 2ms, End::Err, 1); };
  auto hedge = b.scope.hedge(b.cx, 10ms, failing_primary, backup);
  EXPECT_EQ(describe(b.run(std::move(hedge))), "err 1");
}

TEST(Combinators, J3_after_the_delay_both_race) {
  {
    Branches b;
    auto hedge = b.scope.hedge(b.cx, 10ms, primary_slow, backup);
    EXPECT_EQ(b.run(std::move(hedge)).value(), 2);
    EXPECT_EQ(b.stepper.now(), Time::zero() + 15ms);
    EXPECT_TRUE(b.stepper.live_tasks().empty());
  }
  {
    Branches b;
    auto hedge = b.scope.hedge(b.cx, 48ms, primary_slow, backup);
    EXPECT_EQ(b.run(std::move(hedge)).value(), 1);
    EXPECT_EQ(b.stepper.now(), Time::zero() + 50ms);
  }
}

TEST(Combinators, J3_what_the_race_gives_is_passed_on_as_it_is) {
  Branches b;
  auto gives_up = [](Cx cx) -> Task<int> { return branch(cx, 5ms, End::Cancel, 2); };
  auto hedge = b.scope.hedge(b.cx, 10ms, primary_slow, gives_up);
  EXPECT_EQ(describe(b.run(std::move(hedge))), "User cancel 2");
}

TEST(Combinators, J3_a_backup_that_cannot_be_spawned_cancels_the_primary) {
  Branches b({}, Budget::infinite(), RegionLimits{.max_tasks = 1});
  auto hedge = b.scope.hedge(b.cx, 10ms, primary_stuck, backup);
  Outcome<int> o = b.run(std::move(hedge));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(o.error().code(), ErrorCode::RegionAtCapacity);
  EXPECT_EQ(b.stepper.now(), Time::zero() + 10ms);
  EXPECT_TRUE(b.stepper.live_tasks().empty());
}

TEST(Combinators, J3_the_primary_is_then_cancelled_with_resource_unavailable) {
  Branches b({}, Budget::infinite(), RegionLimits{.max_tasks = 1});
  std::optional<CancelReason> seen;
  auto primary = UnsafeSend([&](Cx cx) -> Task<int> {
    (void)co_await cx.sleep(1h).outcome();
    seen = cx.cancel_reason();
    co_await cx.checkpoint();
    co_return 1;
  });
  auto hedge = b.scope.hedge(b.cx, 10ms, std::move(primary), backup);
  EXPECT_TRUE(b.run(std::move(hedge)).is_err());
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->kind(), CancelKind::ResourceUnavailable);
}

TEST(Combinators, J3_if_the_primary_had_finished_all_the_same_its_value_or_panic_stands) {
  {
    Branches b({}, Budget::infinite(), RegionLimits{.max_tasks = 1});
    auto hedge = b.scope.hedge(b.cx, 10ms, primary_stops_ok, backup);
    EXPECT_EQ(b.run(std::move(hedge)).value(), 99);
  }
  {
    Branches b({}, Budget::infinite(), RegionLimits{.max_tasks = 1});
    auto hedge = b.scope.hedge(b.cx, 10ms, primary_stops_panicking, backup);
    EXPECT_EQ(describe(b.run(std::move(hedge))), "panic 99");
  }
}

// ---- J4 ----

constexpr std::pair<Duration, End> observations[] = {
    {1ms, End::Ok}, {2ms, End::Err}, {3ms, End::Cancel}, {4ms, End::Panic}, {5ms, End::Ok}};

/// What `race` of the three gives, nested to the left or to the right by tasks that race themselves.
std::string nested_race(bool left, const std::pair<Duration, End> (&of)[3]) {
  Branches b;
  auto pair = [&](int first) {
    return b.spawn([&b, &of, first](Cx cx) -> Task<int> {
      auto x = co_await b.scope.spawn(cx, branch, of[first].first, of[first].second, first);
      auto y = co_await b.scope.spawn(cx, branch, of[first + 1].first, of[first + 1].second, first + 1);
      auto race = b.scope.race(cx, std::move(x), std::move(y));
      Outcome<int> o = co_await std::move(race).outcome();
      if (o.is_cancelled())
        co_await cancelled(o.cancel_reason());  // passed on as it is: reading it would be O5
      co_return co_await std::move(o);
    });
  };
  auto single = [&](int i) { return b.make(of[i].first, of[i].second, i); };
  auto race = left ? b.scope.race(b.cx, pair(0), single(2)) : b.scope.race(b.cx, single(0), pair(1));
  Outcome<int> o = b.run(std::move(race));
  EXPECT_TRUE(b.stepper.live_tasks().empty());
  return describe(o) + (o.is_ok() ? std::to_string(o.value()) : "") + " at " + to_string(b.stepper.now());
}

TEST(Combinators, J4_race_is_associative) {
  for (const auto& x : observations) {
    for (const auto& y : observations) {
      for (const auto& z : observations) {
        if (x == y || y == z || x == z) continue;  // a tie is drawn
        const std::pair<Duration, End> of[3] = {x, y, z};
        EXPECT_EQ(nested_race(true, of), nested_race(false, of));
      }
    }
  }
}

TEST(Combinators, J4_race_with_a_task_that_is_never_ready_is_identity) {
  for (const auto& [delay, end] : observations) {
    Branches alone, raced;
    Outcome<int> expected = alone.stepper.run(alone.make(delay, end, 1).join(alone.cx));
    auto race = raced.scope.race(raced.cx, raced.make(delay, end, 1), raced.make_never());
    Outcome<int> o = raced.run(std::move(race));
    EXPECT_EQ(o.kind(), expected.kind());
    EXPECT_EQ(describe(o), describe(expected));
    EXPECT_EQ(alone.stepper.now(), raced.stepper.now());
  }
}

TEST(Combinators, J4_join_with_an_immediate_unit_is_identity) {
  for (const auto& [delay, end] : observations) {
    Branches alone, joined;
    Outcome<int> expected = alone.stepper.run(alone.make(delay, end, 1).join(alone.cx));
    auto unit = joined.spawn([](Cx) -> Task<> { co_return; });
    auto join = joined.scope.join(joined.cx, joined.make(delay, end, 1), std::move(unit));
    auto o = joined.run(std::move(join));
    EXPECT_EQ(describe(std::get<0>(o.value())), describe(expected));
    EXPECT_EQ(alone.stepper.now(), joined.stepper.now());
  }
}

TEST(Combinators, J4_join_is_associative) {
  auto nested = [](bool left) {
    Branches b;
    auto pair = b.spawn([&b, left](Cx cx) -> Task<std::string> {
      auto x = co_await b.scope.spawn(cx, branch, Duration(left ? 1ms : 2ms), left ? End::Ok : End::Err,
                                      left ? 0 : 1);
      auto y = co_await b.scope.spawn(cx, branch, Duration(left ? 2ms : 3ms), left ? End::Err : End::Panic,
                                      left ? 1 : 2);
      auto join = b.scope.join(cx, std::move(x), std::move(y));
      auto both = co_await std::move(join);
      co_return describe(std::get<0>(both)) + ", " + describe(std::get<1>(both));
    });
    auto single = b.make(left ? 3ms : 1ms, left ? End::Panic : End::Ok, left ? 2 : 0);
    auto join = b.scope.join(b.cx, std::move(pair), std::move(single));
    auto o = b.run(std::move(join));
    std::string inner = std::get<0>(o.value()).value(), other = describe(std::get<1>(o.value()));
    return (left ? inner + ", " + other : other + ", " + inner) + " at " + to_string(b.stepper.now());
  };
  EXPECT_EQ(nested(true), nested(false));
}

// ---- J5 ----

TEST(Combinators, J5_in_time_the_tasks_outcome) {
  for (End end : {End::Ok, End::Err, End::Cancel, End::Panic}) {
    Branches b;
    auto timeout = b.scope.timeout(b.cx, 10ms, b.make(2ms, end, 1));
    Outcome<int> o = b.run(std::move(timeout));
    EXPECT_EQ(b.stepper.now(), Time::zero() + 2ms);
    EXPECT_EQ(describe(o), end == End::Ok       ? "ok"
                           : end == End::Err    ? "err 1"
                           : end == End::Cancel ? "User cancel 1"
                                                : "panic 1");
  }
}

TEST(Combinators, J5_timed_out_when_the_timer_won) {
  for (End end : {End::Err, End::Cancel}) {
    Branches b;
    auto timeout = b.scope.timeout(b.cx, 10ms, b.make_when_asked(end));
    Outcome<int> o = b.run(std::move(timeout));
    ASSERT_TRUE(o.is_err()) << o;
    EXPECT_EQ(o.error().code(), ErrorCode::TimedOut);
    EXPECT_EQ(b.stepper.now(), Time::zero() + 10ms);
    EXPECT_TRUE(b.stepper.live_tasks().empty());
  }
}

TEST(Combinators, J5_the_task_is_cancelled_with_timeout) {
  Branches b;
  std::optional<CancelReason> seen;
  auto h = b.spawn([&](Cx cx) -> Task<int> {
    (void)co_await cx.sleep(1h).outcome();
    seen = cx.cancel_reason();
    co_await cx.checkpoint();
    co_return 1;
  });
  auto timeout = b.scope.timeout(b.cx, 10ms, std::move(h));
  EXPECT_TRUE(b.run(std::move(timeout)).is_err());
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->kind(), CancelKind::Timeout);
}

TEST(Combinators, J5_a_value_or_panic_of_the_drain_stands) {
  {
    Branches b;
    auto timeout = b.scope.timeout(b.cx, 10ms, b.make_when_asked(End::Ok));
    EXPECT_EQ(b.run(std::move(timeout)).value(), 99);
  }
  {
    Branches b;
    auto timeout = b.scope.timeout(b.cx, 10ms, b.make_when_asked(End::Panic));
    EXPECT_EQ(describe(b.run(std::move(timeout))), "panic 99");
  }
}

// ---- J6 ----

/// Starts the combinator that `make` gives in a task, aborts the task while it waits, and gives its outcome.
template <class Make>
std::string cancelled_while_waiting(End branch_end, Make make) {
  Branches b;
  auto h = b.spawn([&](Cx cx) -> Task<std::string> {
    auto handle = co_await b.scope.spawn(cx, when_asked, branch_end);
    auto combinator = make(b.scope, cx, std::move(handle));
    auto o = co_await std::move(combinator).outcome();
    EXPECT_EQ(b.stepper.live_tasks().size(), 1u) << "the branch has ended";
    co_return describe(o);
  });
  b.stepper.run_until_idle();
  h.abort_with_reason(CancelReason::user("leave"));
  return b.stepper.run(h.join(b.cx)).value();
}

template <class Make>
void expect_cancelled_while_waiting(Make make) {
  EXPECT_EQ(cancelled_while_waiting(End::Ok, make), "User leave");
  EXPECT_EQ(cancelled_while_waiting(End::Err, make), "User leave");
  EXPECT_EQ(cancelled_while_waiting(End::Cancel, make), "User leave");
  EXPECT_EQ(cancelled_while_waiting(End::Panic, make), "panic 99");
}

TEST(Combinators, J6_join) {
  expect_cancelled_while_waiting([](auto& scope, Cx cx, auto h) { return scope.join(cx, std::move(h)); });
}
TEST(Combinators, J6_join_all) {
  expect_cancelled_while_waiting([](auto& scope, Cx cx, auto h) {
    std::vector<TaskHandle<int>> handles;
    handles.push_back(std::move(h));
    return scope.join_all(cx, std::move(handles));
  });
}
TEST(Combinators, J6_try_join) {
  expect_cancelled_while_waiting([](auto& scope, Cx cx, auto h) { return scope.try_join(cx, std::move(h)); });
}
TEST(Combinators, J6_race) {
  expect_cancelled_while_waiting([](auto& scope, Cx cx, auto h) { return scope.race(cx, std::move(h)); });
}
TEST(Combinators, J6_timeout) {
  expect_cancelled_while_waiting(
      [](auto& scope, Cx cx, auto h) { return scope.timeout(cx, 10s, std::move(h)); });
}

TEST(Combinators, J6_hedge) {
  for (bool racing : {false, true}) {
    Branches b;
    auto h = b.spawn([&](Cx cx) -> Task<std::string> {
      auto hedge = b.scope.hedge(cx, 10ms, primary_stuck, primary_stuck);
      auto o = co_await std::move(hedge).outcome();
      co_return describe(o) + ", " + std::to_string(b.stepper.live_tasks().size());
    });
    b.stepper.run_until_idle();
    if (racing) {
      b.stepper.advance(10ms);
      b.stepper.run_until_idle();
      EXPECT_EQ(b.stepper.live_tasks().size(), 3u);
    }
    h.abort_with_reason(CancelReason::user("leave"));
    EXPECT_EQ(b.stepper.run(h.join(b.cx)).value(), "User leave, 1");
  }
}

Task<int> never_starts(Cx cx, Started<int>) { co_return co_await when_asked(cx, End::Err); }
Task<int> starts(Cx cx, Started<int> started) {
  started(5);
  co_return co_await when_asked(cx, End::Ok);
}

TEST(Combinators, J6_start_before_started) {
  Branches b;
  auto h = b.spawn([&](Cx cx) -> Task<std::string> {
    auto start = b.scope.start<int>(cx, never_starts);
    auto o = co_await std::move(start).outcome();
    EXPECT_EQ(b.stepper.live_tasks().size(), 1u);
    co_return o.is_cancelled() ? o.cancel_reason().message() : "?";
  });
  b.stepper.run_until_idle();
  h.abort_with_reason(CancelReason::user("leave"));
  EXPECT_EQ(b.stepper.run(h.join(b.cx)).value(), "leave");
}

TEST(Combinators, J6_start_after_started_leaves_its_task_alone) {
  Branches b;
  auto h = b.spawn([&](Cx cx) -> Task<int> {
    auto start = b.scope.start<int>(cx, starts);
    auto started = co_await std::move(start);
    (void)co_await cx.sleep(1h).outcome();
    EXPECT_FALSE(started.handle.is_finished());
    co_return started.value;
  });
  b.stepper.run_until_idle();
  h.abort();
  EXPECT_EQ(b.stepper.run(h.join(b.cx)).value(), 5);
}

TEST(Combinators, J6_the_branches_see_the_callers_request_as_the_cause) {
  Branches b;
  std::optional<CancelReason> seen;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    auto work = UnsafeSend([&](Cx mine) -> Task<int> {
      (void)co_await mine.sleep(1h).outcome();
      seen = mine.cancel_reason();
      co_return 1;
    });
    auto handle = co_await b.scope.spawn(cx, std::move(work));
    auto join = b.scope.join(cx, std::move(handle));
    (void)co_await std::move(join).outcome();
  });
  b.stepper.run_until_idle();
  h.abort_with_reason(CancelReason::user("leave"));
  b.stepper.run_until_idle();
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->root_cause().message(), "leave");
}

// The combinator has seen its branches (R7), also the one that it was not waiting for: an Err among them goes to no policy.
TEST(Combinators, J6_an_err_of_a_drained_branch_is_no_failure_of_the_region) {
  for (int which = 0; which < 3; ++which) {
    Bench<> b;
    auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
      auto leave = UnsafeSend([scope, which](Cx mine) -> Task<> {
        auto first = co_await scope.spawn(mine, when_asked, End::Err);
        auto second = co_await scope.spawn(mine, when_asked, End::Err);
        if (which == 0) {
          auto join = scope.join(mine, std::move(first), std::move(second));
          (void)co_await std::move(join).outcome();
        } else if (which == 1) {
          auto race = scope.race(mine, std::move(first), std::move(second));
          (void)co_await std::move(race).outcome();
        } else {
          auto try_join = scope.try_join(mine, std::move(first), std::move(second));
          (void)co_await std::move(try_join).outcome();
        }
      });
      auto h = co_await scope.spawn(cx, std::move(leave));
      co_await cx.sleep(1ms);
      h.abort();
      (void)co_await h.join(cx).outcome();
      co_return 6;
    };
    auto region = b.scope.region(b.cx, FailFast{}, body);
    Outcome<int> o = b.run(std::move(region));
    ASSERT_TRUE(o.is_ok()) << o;
    EXPECT_EQ(o.value(), 6);
  }
}

TEST(Combinators, J6_a_winner_already_chosen_stands) {
  Branches b;
  TaskHandle<int> racer;
  racer = b.spawn([&](Cx cx) -> Task<int> {
    auto slow = UnsafeSend([&](Cx mine) -> Task<int> {
      (void)co_await mine.sleep(1h).outcome();
      MaskGuard mask = mine.mask();
      racer.abort();  // the race has its winner and drains
      for (int i = 0; i < 3; ++i) co_await mine.yield();
      co_return 0;
    });
    auto loser = co_await b.scope.spawn(cx, std::move(slow));
    auto winner = co_await b.scope.spawn(cx, branch, Duration(2ms), End::Ok, 8);
    auto race = b.scope.race(cx, std::move(loser), std::move(winner));
    Outcome<int> o = co_await std::move(race).outcome();
    EXPECT_TRUE(cx.is_cancel_requested());
    co_return o.is_ok() ? o.value() : -1;
  });
  EXPECT_EQ(b.stepper.run(racer.join(b.cx)).value(), 8);
}

TEST(Combinators, J6_the_drain_is_uncancellable) {
  Branches b;
  auto h = b.spawn([&](Cx cx) -> Task<std::string> {
    auto work = UnsafeSend([&](Cx mine) -> Task<int> {
      MaskGuard mask = mine.mask();
      co_await mine.sleep(10ms);
      co_return 1;
    });
    auto handle = co_await b.scope.spawn(cx, std::move(work));
    auto join = b.scope.join(cx, std::move(handle));
    auto o = co_await std::move(join).outcome();
    co_return describe(o) + " at " + to_string(cx.now());
  });
  b.stepper.run_until_idle();
  h.abort_with_reason(CancelReason::user("leave"));
  b.stepper.run_until_idle();
  h.abort_with_reason(CancelReason::shutdown("hurry"));
  b.stepper.run_until_idle();
  EXPECT_FALSE(h.is_finished());
  EXPECT_EQ(b.stepper.run(h.join(b.cx)).value(), "Shutdown hurry at " + to_string(Time::zero() + 10ms));
}

}  // namespace
}  // namespace quiesce::semantics
