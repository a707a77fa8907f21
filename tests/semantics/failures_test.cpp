// Rule R7: no failure is lost, and none is told twice.
#include <atomic>
#include <optional>

#include "support.hpp"

namespace quiesce::semantics {
namespace {

/// The outcome of a region with policy P, as its awaiter sees it.
template <class P, class Body>
Outcome<int> outcome_of(Bench<>& bench, Body& body) {
  std::optional<Outcome<int>> seen;
  auto outer = [&](Cx cx, Scope<>& scope) -> Task<> { seen = co_await scope.region(cx, P{}, body).outcome(); };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, outer)).is_ok());
  EXPECT_TRUE(seen);
  return std::move(*seen);
}

// ---- who sees it ----

TEST(Failures, R7_a_panic_is_seen_by_a_waiting_joiner_and_goes_to_the_policy) {
  Bench bench;
  Lines lines;
  Door door;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto child = [](Cx, Door* held) -> Task<> {
      co_await *held;
      throw std::runtime_error("boom");
    };
    auto joiner = [](Cx mine, TaskHandle<> joined, Lines* out) -> Task<> {
      MaskGuard mask =
          mine.mask();  // the policy's request comes at once: it must not hide what the joiner sees
      auto outcome = co_await joined.join(mine).outcome();
      out->push_back(outcome.is_panicked() ? "panicked" : "other");
    };
    auto failed = scope.spawn(cx, child, unsafe_send(&door)).value();
    auto waiting = scope.spawn(cx, joiner, std::move(failed), unsafe_send(&lines)).value();
    co_await cx.yield();
    co_await cx.yield();
    door.open();
    co_await cx.sleep(1h);
    lines.push_back("the body was not cancelled");
    co_return 1;
  };
  Outcome<int> outcome = outcome_of<FailFast>(bench, body);
  ASSERT_TRUE(outcome.is_panicked()) << outcome;
  EXPECT_NE(outcome.panic().message().find("boom"), std::string::npos);
  EXPECT_EQ(lines, Lines{"panicked"});
}

TEST(Failures, R7_a_panic_goes_to_the_policy_at_once_though_its_handle_is_held) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto held = scope.spawn(cx, panicking, std::string("boom")).value();
    auto slept = co_await cx.sleep(1h).outcome();
    EXPECT_TRUE(slept.is_cancelled());
    EXPECT_EQ(slept.cancel_reason().kind(), CancelKind::FailFast);
    auto joined = co_await held.join(cx).outcome();
    EXPECT_TRUE(joined.is_panicked()) << "the handle shows it all the same";
    co_return 1;
  };
  EXPECT_TRUE(outcome_of<FailFast>(bench, body).is_panicked());
  EXPECT_EQ(bench.stepper.now(), Time::zero());
}

TEST(Failures, R7_an_err_belongs_to_whoever_holds_the_handle) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto held = scope.spawn(cx, failing, std::string("mine")).value();
    co_await cx.sleep(1s);  // it has ended long ago, and nobody was told
    EXPECT_FALSE(cx.is_cancel_requested());
    auto outcome = co_await held.join(cx).outcome();
    EXPECT_EQ(outcome.error().message(), "mine");
    co_return 7;
  };
  EXPECT_EQ(outcome_of<FailFast>(bench, body).value(), 7);
}

TEST(Failures, R7_an_err_without_a_handle_goes_to_the_policy) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.launch(cx, failing, std::string("nobody's"));
    co_await cx.sleep(1h);
    co_return 7;
  };
  Outcome<int> outcome = outcome_of<FailFast>(bench, body);
  ASSERT_TRUE(outcome.is_err()) << outcome;
  EXPECT_EQ(outcome.error().message(), "nobody's");
  EXPECT_EQ(bench.stepper.now(), Time::zero()) << "at once";
}

TEST(Failures, R7_an_err_whose_handle_was_dropped_before_the_end) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.spawn(cx, failing, std::string("dropped")).value();
    co_await cx.sleep(1h);
    co_return 7;
  };
  EXPECT_TRUE(outcome_of<FailFast>(bench, body).is_err());
  EXPECT_EQ(bench.stepper.now(), Time::zero());
}

TEST(Failures, R7_an_err_whose_handle_is_dropped_after_the_end) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    std::optional<TaskHandle<>> held = scope.spawn(cx, failing, std::string("dropped")).value();
    co_await cx.sleep(1s);
    EXPECT_TRUE(held->is_finished());
    held.reset();
    EXPECT_TRUE(cx.is_cancel_requested()) << "the policy was not asked at once";
    co_await cx.sleep(1h);
    co_return 7;
  };
  Outcome<int> outcome = outcome_of<FailFast>(bench, body);
  ASSERT_TRUE(outcome.is_err()) << outcome;
  EXPECT_EQ(outcome.error().message(), "dropped");
}

TEST(Failures, R7_an_unjoined_err_is_swept_when_the_region_ends) {
  Bench bench;
  std::optional<TaskHandle<>> outside;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    outside = scope.spawn(cx, failing, std::string("left behind")).value();
    co_return 7;
  };
  Outcome<int> outcome = outcome_of<FailFast>(bench, body);
  ASSERT_TRUE(outcome.is_err()) << outcome;
  EXPECT_EQ(outcome.error().message(), "left behind");
  Outcome<> late = bench.stepper.run(outside->join(bench.cx));
  ASSERT_TRUE(late.is_err());
  EXPECT_EQ(late.error().code(), ErrorCode::PolledAfterCompletion) << "each Err is taken once";
  EXPECT_NE(late.error().message().find("its region"), std::string::npos);
}

TEST(Failures, R7_the_sweep_comes_before_the_finalizers) {
  Bench bench;
  std::optional<TaskHandle<>> outside;
  std::optional<ErrorCode> seen;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    outside = scope.spawn(cx, failing, std::string("left behind")).value();
    auto finalizer = [&](Cx mine) -> Task<> {
      auto joined = co_await outside->join(mine).outcome();
      seen = joined.error().code();
    };
    (void)scope.defer_async(finalizer);
    co_return 7;
  };
  EXPECT_TRUE(outcome_of<FailFast>(bench, body).is_err());
  EXPECT_EQ(seen, ErrorCode::PolledAfterCompletion);
}

TEST(Failures, R7_an_ok_or_a_panic_outlives_its_region_in_the_handle) {
  Bench bench;
  std::optional<TaskHandle<int>> value;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    value = scope.spawn(cx, answer, 42).value();
    co_return 7;
  };
  EXPECT_EQ(outcome_of<FailFast>(bench, body).value(), 7);
  EXPECT_EQ(bench.stepper.run(value->join(bench.cx)).value(), 42);
}

TEST(Failures, R7_a_cancelled_task_is_a_failure_only_without_a_request) {
  Bench bench;
  auto by_itself = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto child = [](Cx) -> Task<> { co_await cancelled(CancelReason::timeout("of its own accord")); };
    (void)scope.launch(cx, child);
    co_await cx.sleep(1h);
    co_return 7;
  };
  Outcome<int> outcome = outcome_of<FailFast>(bench, by_itself);
  ASSERT_TRUE(outcome.is_cancelled()) << outcome;
  EXPECT_EQ(outcome.cancel_reason().message(), "of its own accord");
  auto by_request = [&](Cx cx, Scope<>& scope) -> Task<int> {
    {
      auto child = scope.spawn(cx, sleeper).value();
      co_await cx.yield();
      child.abort();
    }
    co_await cx.sleep(1s);
    EXPECT_FALSE(cx.is_cancel_requested());
    co_return 7;
  };
  EXPECT_EQ(outcome_of<FailFast>(bench, by_request).value(), 7);
}

TEST(Failures, R7_a_combinator_has_seen_its_branches) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto loser = [](Cx mine) -> Task<int> {
      (void)co_await mine.sleep(1h).outcome();
      co_await fail(ErrorCode::User, "a loser's");
      co_return 0;
    };
    auto won = scope.race(cx, scope.spawn(cx, answer, 5).value(), scope.spawn(cx, loser).value());
    int winner = co_await std::move(won);
    std::vector<TaskHandle<>> handles;
    handles.push_back(scope.spawn(cx, failing, std::string("one")).value());
    handles.push_back(scope.spawn(cx, failing, std::string("two")).value());
    auto outcomes = co_await scope.join_all(cx, std::move(handles));
    EXPECT_EQ(outcomes.at(1).error().message(), "two");
    co_return winner;
  };
  EXPECT_EQ(outcome_of<FailFast>(bench, body).value(), 5);
}

// ---- FailFast ----

TEST(Failures, R7_fail_fast_cancels_the_other_children_and_the_body) {
  Bench bench;
  std::optional<CancelReason> seen;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto sibling = [](Cx mine, std::optional<CancelReason>* out) -> Task<> {
      (void)co_await mine.sleep(1h).outcome();
      *out = mine.cancel_reason();
    };
    (void)scope.spawn(cx, sibling, unsafe_send(&seen)).value();
    co_await cx.yield();
    (void)scope.launch(cx, failing, std::string("the cause"));
    co_await cx.sleep(1h);
    co_return 7;
  };
  EXPECT_EQ(outcome_of<FailFast>(bench, body).error().message(), "the cause");
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->kind(), CancelKind::FailFast);
  EXPECT_NE(seen->message().find("the cause"), std::string::npos) << *seen;
}

TEST(Failures, R7_fail_fast_gives_the_first_failure_or_a_worse_one_that_follows) {
  Bench bench;
  Lines order;
  auto fails = [&](const char* name) {
    return UnsafeSend([&order, name](Cx) -> Task<> {
      order.emplace_back(name);
      co_await fail(ErrorCode::User, name);
    });
  };
  auto first_of_equals = [&](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.launch(cx, fails("one"));
    (void)scope.launch(cx, fails("another"));
    co_await cx.sleep(1h);
    co_return 7;
  };
  Outcome<int> equals = outcome_of<FailFast>(bench, first_of_equals);
  ASSERT_EQ(order.size(), 2u);
  EXPECT_EQ(equals.error().message(), order[0]);
  ASSERT_EQ(equals.attached().size(), 1u);
  EXPECT_NE(equals.attached()[0].text.find(order[1]), std::string::npos);

  auto worse_follows = [&](Cx cx, Scope<>& scope) -> Task<int> {
    (void)scope.launch(cx, failing, std::string("first"));
    (void)scope.launch(cx, panicking, std::string("worse"));
    co_await cx.sleep(1h);
    co_return 7;
  };
  Outcome<int> worse = outcome_of<FailFast>(bench, worse_follows);
  ASSERT_TRUE(worse.is_panicked());
  EXPECT_NE(worse.panic().message().find("worse"), std::string::npos);
}

// ---- CollectAll ----

TEST(Failures, R7_collect_all_cancels_nothing_and_gives_the_worst) {
  Bench bench;
  bool ran_on = false;
  auto body = [&](Cx cx, Scope<CollectAll>& scope) -> Task<int> {
    (void)scope.launch(cx, failing, std::string("mild"));
    (void)scope.launch(cx, panicking, std::string("worst"));
    auto child = [](Cx mine, bool* out) -> Task<> {
      co_await mine.sleep(1s);
      *out = true;
    };
    (void)scope.launch(cx, child, unsafe_send(&ran_on));
    co_await cx.sleep(2s);
    EXPECT_FALSE(cx.is_cancel_requested());
    co_return 7;
  };
  Outcome<int> outcome = outcome_of<CollectAll>(bench, body);
  ASSERT_TRUE(outcome.is_panicked()) << outcome;
  EXPECT_TRUE(ran_on);
  ASSERT_EQ(outcome.attached().size(), 1u);
  EXPECT_NE(outcome.attached()[0].text.find("mild"), std::string::npos);
}

TEST(Failures, R7_collect_all_counts_the_bodys_own_failure) {
  Bench bench;
  auto body = [&](Cx cx, Scope<CollectAll>& scope) -> Task<int> {
    (void)scope.launch(cx, failing, std::string("a child's"));
    co_await cx.sleep(1s);
    co_await fail(ErrorCode::User, "the body's");
    co_return 7;
  };
  Outcome<int> outcome = outcome_of<CollectAll>(bench, body);
  EXPECT_EQ(outcome.error().message(), "a child's") << "the one recorded first stands";
  ASSERT_EQ(outcome.attached().size(), 1u);
  EXPECT_NE(outcome.attached()[0].text.find("the body's"), std::string::npos);
}

// ---- policies of one's own ----

struct Recording {
  static inline std::vector<ChildFailure> failures;
  static inline std::vector<OutcomeKind> aggregated;
  PolicyAction on_child_failure(const ChildFailure& failure) {
    failures.push_back(failure);
    return PolicyAction::Continue;
  }
  void aggregate(Outcome<>& so_far, Outcome<> next) {
    aggregated.push_back(next.kind());
    if (so_far.is_ok() && next.is_panicked()) so_far = std::move(next);  // it hides the milder ones
  }
};

TEST(Failures, R7_a_policy_is_told_what_failed_and_decides) {
  Recording::failures.clear();
  Recording::aggregated.clear();
  Bench bench;
  TaskId panicked;
  auto body = [&](Cx cx, Scope<Recording>& scope) -> Task<int> {
    (void)scope.launch(cx, failing, std::string("an error"));
    co_await cx.sleep(1s);
    auto own = [](Cx) -> Task<> { co_await cancelled(CancelReason::timeout("its own")); };
    (void)scope.launch(cx, own);
    co_await cx.sleep(1s);
    auto handle = scope.spawn(cx, panicking, std::string("a panic")).value();
    panicked = handle.task_id();
    co_await cx.sleep(1s);
    co_return 7;
  };
  Outcome<int> outcome = outcome_of<Recording>(bench, body);
  EXPECT_TRUE(outcome.is_panicked()) << outcome;
  ASSERT_EQ(Recording::failures.size(), 3u);
  EXPECT_EQ(Recording::failures[0].kind, OutcomeKind::Err);
  EXPECT_EQ(Recording::failures[0].error.message(), "an error");
  EXPECT_EQ(Recording::failures[1].kind, OutcomeKind::Cancelled);
  EXPECT_EQ(Recording::failures[1].reason->message(), "its own");
  EXPECT_EQ(Recording::failures[2].kind, OutcomeKind::Panicked);
  EXPECT_EQ(Recording::failures[2].task, panicked);
  EXPECT_THROW(std::rethrow_exception(Recording::failures[2].exception), std::runtime_error);
  EXPECT_EQ(Recording::aggregated,
            (std::vector{OutcomeKind::Err, OutcomeKind::Cancelled, OutcomeKind::Panicked}));
  Recording::failures.clear();
}

struct Throwing {
  PolicyAction on_child_failure(const ChildFailure&) { throw std::runtime_error("the policy itself"); }
  void aggregate(Outcome<>&, Outcome<>) {}
};

TEST(Failures, R7_a_policy_that_throws_is_a_panic_of_the_region) {
  auto metrics = std::make_shared<InMemoryMetrics>();
  Bench bench(StepperOptions{.metrics = metrics});
  auto body = [&](Cx cx, Scope<Throwing>& scope) -> Task<int> {
    (void)scope.launch(cx, failing, std::string("an error"));
    co_await cx.sleep(1h);
    co_return 7;
  };
  Outcome<int> outcome = outcome_of<Throwing>(bench, body);
  ASSERT_TRUE(outcome.is_panicked()) << outcome;
  EXPECT_NE(outcome.panic().message().find("the policy itself"), std::string::npos);
  ASSERT_EQ(outcome.attached().size(), 1u) << "and the failure it was asked about is not lost";
  EXPECT_NE(outcome.attached()[0].text.find("an error"), std::string::npos);
  EXPECT_EQ(metrics->panics("region_cleanup"), 1u);
}

/// Counts without synchronisation: the library asks it one at a time.
struct Counting {
  int asked = 0, aggregated = 0;
  bool inside = false;
  static inline std::atomic<int> total{0}, overlapping{0};
  PolicyAction on_child_failure(const ChildFailure&) {
    if (std::exchange(inside, true)) ++overlapping;
    ++asked;
    total.store(asked);
    inside = false;
    return PolicyAction::Continue;
  }
  void aggregate(Outcome<>& so_far, Outcome<> next) {
    if (std::exchange(inside, true)) ++overlapping;
    ++aggregated;
    if (so_far.is_ok()) so_far = std::move(next);
    inside = false;
  }
};

/// Drops a failed task's handle while it is asked about another.
struct Dropping {
  static inline std::vector<TaskHandle<>> held;
  static inline int asked = 0, nested = 0;
  static inline bool inside = false;
  PolicyAction on_child_failure(const ChildFailure&) {
    ++asked;
    if (std::exchange(inside, true)) ++nested;
    held.clear();
    inside = false;
    return PolicyAction::Continue;
  }
  void aggregate(Outcome<>& so_far, Outcome<> next) { so_far = std::move(so_far).join(std::move(next)); }
};

TEST(Failures, R7_a_policy_is_asked_for_one_failure_at_a_time) {
  Dropping::asked = Dropping::nested = 0;
  Bench bench;
  auto body = [&](Cx cx, Scope<Dropping>& scope) -> Task<int> {
    for (const char* text : {"one", "two"})
      Dropping::held.push_back(scope.spawn(cx, failing, std::string(text)).value());
    co_await cx.sleep(1s);
    (void)scope.launch(cx, failing, std::string("three"));
    co_await cx.sleep(1s);
    co_return 7;
  };
  Outcome<int> outcome = outcome_of<Dropping>(bench, body);
  EXPECT_EQ(Dropping::asked, 3);
  EXPECT_EQ(Dropping::nested, 0);
  EXPECT_EQ(outcome.error().message(), "three");
  EXPECT_EQ(outcome.attached().size(), 2u) << "and none was lost meanwhile";
}

TEST(Failures, R7_no_failure_is_lost_when_handles_are_dropped_as_tasks_end) {
  constexpr int tasks = repeated(4000);
  Counting::total = Counting::overlapping = 0;
  Runtime runtime = Runtime::builder().workers(4).build();
  auto body = [&](Cx cx, Scope<Counting>& scope) -> Task<> {
    std::vector<TaskHandle<>> held;
    for (int i = 0; i < tasks; ++i) {
      held.push_back(scope.spawn(cx, failing, std::string("e")).value());
      if (held.size() == 4) {  // some dropped at once, some while they end, some after
        held.erase(held.begin() + i % 4);
        held.erase(held.begin());
      }
      if (i % 64 == 0) co_await cx.yield();
    }
  };
  EXPECT_TRUE(runtime.block_on<Counting>(body).is_err());
  EXPECT_EQ(Counting::total.load(), tasks);
  EXPECT_EQ(Counting::overlapping.load(), 0);
}

// ---- looking ----

TEST(Failures, R7_snapshots_list_failed_unjoined_tasks) {
  Bench bench;
  auto handle = bench.scope.spawn(bench.cx, failing, std::string("unseen")).value();
  bench.stepper.run_until_idle();
  Snapshot before = bench.stepper.snapshot();
  ASSERT_EQ(before.regions.at(0).tasks.size(), 1u);
  EXPECT_TRUE(before.regions[0].tasks[0].failed_unjoined);
  EXPECT_EQ(before.regions[0].tasks[0].id, handle.task_id());
  EXPECT_NE(before.text().find("failed and not joined"), std::string::npos);
  EXPECT_TRUE(bench.stepper.run(handle.join(bench.cx)).is_err());
  EXPECT_TRUE(bench.stepper.snapshot().regions.at(0).tasks.empty());
}

}  // namespace
}  // namespace quiesce::semantics
