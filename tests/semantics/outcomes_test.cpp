// Rules O1 to O5.
#include <exception>
#include <expected>
#include <stdexcept>
#include <tuple>

#include "support.hpp"

namespace quiesce::semantics {
namespace {

Task<int> ends_ok(Cx) { co_return 7; }
Task<int> ends_err(Cx) {
  co_await fail(ErrorCode::User, "broken");
  co_return 0;
}
Task<int> ends_cancelled(Cx) {
  co_await cancelled(CancelReason::user("enough"));
  co_return 0;
}
Task<int> ends_panicked(Cx) {
  throw std::runtime_error("bug");
  co_return 0;
}
using Ending = Task<int> (*)(Cx);
struct Named {
  Ending body;
  OutcomeKind kind;
};
constexpr Named endings[] = {{ends_ok, OutcomeKind::Ok},
                             {ends_err, OutcomeKind::Err},
                             {ends_cancelled, OutcomeKind::Cancelled},
                             {ends_panicked, OutcomeKind::Panicked}};

template <class E>
void expect_payload(const Outcome<int, E>& o) {
  if (o.is_ok()) {
    EXPECT_EQ(o.value(), 7);
  } else if (o.is_err()) {
    EXPECT_EQ(o.error().message(), "broken");
  } else if (o.is_cancelled()) {
    EXPECT_EQ(o.cancel_reason().message(), "enough");
  } else {
    EXPECT_TRUE(o.panic().message().ends_with(": bug")) << o;
  }
}

// ---- O1: exactly one outcome ----

TEST(Outcomes, O1_a_task_ends_in_one_outcome_of_each_kind) {
  for (const Named& ending : endings) {
    Bench<CollectAll> b;
    auto h = b.scope.spawn(b.cx, ending.body).value();
    Outcome<int> o = b.stepper.run(h.join(b.cx));
    EXPECT_EQ(o.kind(), ending.kind) << o;
    expect_payload(o);
  }
}

TEST(Outcomes, O1_a_region_body_ends_in_one_outcome_of_each_kind) {
  for (const Named& ending : endings) {
    Bench<> b;
    auto body = [&](Cx cx, Scope<>&) { return ending.body(cx); };
    auto region = b.scope.region(b.cx, FailFast{}, body);
    Outcome<int> o = b.run(std::move(region));
    EXPECT_EQ(o.kind(), ending.kind) << o;
    expect_payload(o);
  }
}

TEST(Outcomes, O1_a_combinator_ends_in_one_outcome_of_each_kind) {
  for (const Named& ending : endings) {
    Bench<CollectAll> b;
    auto h = b.scope.spawn(b.cx, ending.body).value();
    auto race = b.scope.race(b.cx, std::move(h));
    Outcome<int> o = b.run(std::move(race));
    EXPECT_EQ(o.kind(), ending.kind) << o;
    expect_payload(o);
  }
}

TEST(Outcomes, O1_a_callable_with_state_ends_as_its_coroutine_does) {
  for (const Named& ending : endings) {
    Bench<CollectAll> b;
    auto h = b.spawn([&](Cx cx) { return ending.body(cx); });
    Outcome<int> o = b.stepper.run(h.join(b.cx));
    EXPECT_EQ(o.kind(), ending.kind) << o;
    expect_payload(o);
  }
}

// ---- O2: severity and aggregation ----

TEST(Outcomes, O2_severity_is_a_total_order) {
  for (std::size_t i = 0; i < std::size(endings); ++i) {
    for (std::size_t j = 0; j < std::size(endings); ++j) {
      EXPECT_EQ(endings[i].kind < endings[j].kind, i < j);
    }
  }
}

Outcome<int> outcome_of(OutcomeKind kind, std::string text) {
  switch (kind) {
    case OutcomeKind::Ok: break;
    case OutcomeKind::Err: return Outcome<int>::err(Error(text));
    case OutcomeKind::Cancelled: return Outcome<int>::cancelled(CancelReason::user(text));
    case OutcomeKind::Panicked: return Outcome<int>::panicked(PanicPayload(text));
  }
  return Outcome<int>::ok(1);
}
std::string text_of(const Outcome<int>& o) {
  return o.visit([](int) { return std::string(); }, [](const Error& e) { return e.message(); },
                 [](const CancelReason& r) { return r.message(); },
                 [](const PanicPayload& p) { return p.message(); });
}

TEST(Outcomes, O2_the_worst_wins_and_the_first_of_equals_stands) {
  for (const Named& first : endings) {
    for (const Named& second : endings) {
      Outcome<int> joined = outcome_of(first.kind, "first").join(outcome_of(second.kind, "second"));
      EXPECT_EQ(joined.kind(), std::max(first.kind, second.kind));
      if (joined.is_ok()) continue;
      EXPECT_EQ(text_of(joined), second.kind > first.kind ? "second" : "first");
      const bool both = first.kind != OutcomeKind::Ok && second.kind != OutcomeKind::Ok;
      EXPECT_EQ(joined.attached().size(), both ? 1u : 0u);
    }
  }
}

TEST(Outcomes, O2_a_region_aggregates_all_failures_of_its_children) {
  Bench<> b;
  auto body = [](Cx cx, Scope<CollectAll>& scope) -> Task<int> {
    co_await scope.launch(cx, failing, std::string("first"));
    co_await scope.launch(cx, panicking, std::string("worst"));
    co_await scope.launch(cx, failing, std::string("later"));
    co_return 1;
  };
  auto region = b.scope.region(b.cx, CollectAll{}, body);
  Outcome<int> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_panicked()) << o;
  EXPECT_TRUE(o.panic().message().ends_with(": worst")) << o;
  ASSERT_EQ(o.attached().size(), 2u) << o;
}

TEST(Outcomes, O2_a_failure_is_not_hidden_by_the_cancelled_body) {
  Bench<> b;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    co_await scope.launch(cx, failing, std::string("cause"));
    co_await cx.sleep(1h);
    co_return 1;
  };
  auto region = b.scope.region(b.cx, FailFast{}, body);
  Outcome<int> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(o.error().message(), "cause");
  EXPECT_TRUE(o.attached().empty()) << o;
}

// The body is cancelled by its own region's FailFast through the region that it awaits: still the region's own doing.
TEST(Outcomes, O2_a_failure_is_not_hidden_by_a_body_cancelled_in_a_child_region) {
  Bench<> b;
  auto inner = [](Cx cx, Scope<>&) -> Task<> { co_await cx.sleep(1h); };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    co_await scope.launch(cx, failing, std::string("cause"));
    co_await scope.region(cx, FailFast{}, inner);
    co_return 1;
  };
  auto region = b.scope.region(b.cx, FailFast{}, body);
  Outcome<int> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(o.error().message(), "cause");
}

TEST(Outcomes, O2_a_failure_is_not_hidden_by_a_body_cancelled_in_a_join) {
  Bench<> b;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    auto h = co_await scope.spawn(cx, sleeper);
    co_await scope.launch(cx, failing, std::string("cause"));
    co_await h.join(cx);
    co_return 1;
  };
  auto region = b.scope.region(b.cx, FailFast{}, body);
  Outcome<int> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(o.error().message(), "cause");
}

TEST(Outcomes, O2_a_cancelled_that_the_region_did_not_cause_takes_part) {
  Bench<> b;
  auto body = [](Cx cx, Scope<CollectAll>& scope) -> Task<int> {
    co_await scope.launch(cx, failing, std::string("less"));
    co_await cx.yield();
    co_await cancelled(CancelReason::user("enough"));
    co_return 1;
  };
  auto region = b.scope.region(b.cx, CollectAll{}, body);
  Outcome<int> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().message(), "enough");
  EXPECT_EQ(o.attached().size(), 1u);
}

// The region's FailFast is graver than what comes from outside later: what ends its children is the FailFast (R10).
TEST(Outcomes, O2_a_weaker_request_from_outside_does_not_hide_the_cause) {
  Bench<> b;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    auto late = [](Cx mine, Scope<> region) -> Task<> {
      {
        MaskGuard mask = mine.mask();
        while (!mine.is_cancel_requested()) co_await mine.yield();
        region.cancel(CancelReason::user("too late"));
      }
      co_await mine.checkpoint();
    };
    co_await scope.launch(cx, late, scope);
    co_await cx.yield();
    co_await fail(ErrorCode::User, "cause");
    co_return 1;
  };
  auto region = b.scope.region(b.cx, FailFast{}, body);
  Outcome<int> o = b.run(std::move(region));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(o.error().message(), "cause");
}

TEST(Outcomes, O2_a_combinators_own_requests_take_no_part) {
  Bench<> b;
  auto loser = b.scope.spawn(b.cx, sleeper).value();
  auto failed = b.scope.spawn(b.cx, failing, std::string("cause")).value();
  auto join = b.scope.try_join(b.cx, std::move(loser), std::move(failed));
  auto o = b.run(std::move(join));
  ASSERT_TRUE(o.is_err()) << o.severity();
  EXPECT_EQ(o.error().message(), "cause");
}

// ---- O3: a panic is caught at the task's boundary ----

TEST(Outcomes, O3_a_panic_carries_the_message_and_the_exception) {
  Bench<CollectAll> b;
  auto h = b.scope.spawn(b.cx, ends_panicked).value();
  Outcome<int> o = b.stepper.run(h.join(b.cx));
  ASSERT_TRUE(o.is_panicked()) << o;
  EXPECT_TRUE(o.panic().message().ends_with(": bug")) << o;
  EXPECT_THROW(std::rethrow_exception(o.panic().exception()), std::runtime_error);
}

TEST(Outcomes, O3_a_stack_trace_when_asked_for) {
  StepperOptions options;
  options.panics.capture_backtraces = true;
  Bench<CollectAll> b(options);
  auto h = b.scope.spawn(b.cx, ends_panicked).value();
  Outcome<int> o = b.stepper.run(h.join(b.cx));
  ASSERT_TRUE(o.is_panicked()) << o;
  EXPECT_FALSE(o.panic().stack_trace().empty());
}

TEST(Outcomes, O3_a_panic_tears_down_neither_the_worker_nor_another_task) {
  Runtime rt = Runtime::builder().workers(1).build();
  auto body = [](Cx cx, Scope<CollectAll>& scope) -> Task<int> {
    auto steady = [](Cx mine) -> Task<int> {
      for (int i = 0; i < 10; ++i) co_await mine.yield();
      co_return 5;
    };
    auto other = co_await scope.spawn(cx, steady);
    auto panics = co_await scope.spawn(cx, ends_panicked);
    Outcome<int> seen = co_await panics.join(cx).outcome();
    int value = co_await other.join(cx);
    co_return seen.is_panicked() ? value : 0;
  };
  Outcome<int> o = rt.block_on<CollectAll>(body);
  ASSERT_TRUE(o.is_panicked()) << o;  // the region's: R7
  EXPECT_EQ(rt.stats().tasks_completed, 3u);
  auto again = [](Cx, Scope<>&) -> Task<int> { co_return 9; };
  EXPECT_EQ(rt.block_on(again).value(), 9);
}

// ---- O4: co_await gives the value or ends the coroutine ----

TEST(Outcomes, O4_co_await_gives_the_value) {
  Bench<> b;
  auto h = b.spawn([](Cx cx) -> Task<int> {
    int sum = co_await ends_ok(cx);
    sum += co_await Outcome<int>::ok(10);
    sum += co_await std::expected<int, Error>(100);
    co_return sum;
  });
  EXPECT_EQ(b.stepper.run(h.join(b.cx)).value(), 117);
}

TEST(Outcomes, O4_co_await_of_a_failed_task_ends_the_awaiter_with_it) {
  Bench<CollectAll> b;
  for (const Named& ending : {endings[1], endings[3]}) {
    bool after = false;
    auto h = b.spawn([&](Cx cx) -> Task<int> {
      int value = co_await ending.body(cx);
      after = true;
      co_return value;
    });
    Outcome<int> o = b.stepper.run(h.join(b.cx));
    EXPECT_EQ(o.kind(), ending.kind) << o;
    expect_payload(o);
    EXPECT_FALSE(after);
  }
}

TEST(Outcomes, O4_co_await_of_a_failed_outcome_or_expected_ends_the_coroutine) {
  Bench<CollectAll> b;
  auto outcome = b.spawn([](Cx) -> Task<int> { co_return co_await Outcome<int>::err(Error("broken")); });
  expect_payload(b.stepper.run(outcome.join(b.cx)));
  auto panicked =
      b.spawn([](Cx) -> Task<int> { co_return co_await Outcome<int>::panicked(PanicPayload("bug")); });
  EXPECT_TRUE(b.stepper.run(panicked.join(b.cx)).is_panicked());
  auto expected = b.spawn([](Cx) -> Task<int> {
    std::expected<int, Error> bad = std::unexpected(Error("broken"));
    co_return co_await std::move(bad);
  });
  Outcome<int> o = b.stepper.run(expected.join(b.cx));
  ASSERT_TRUE(o.is_err());
  expect_payload(o);
}

TEST(Outcomes, O4_frames_in_between_are_destroyed_inner_to_outer_before_the_handler_goes_on) {
  Bench<> b;
  Lines lines;
  struct Level {
    static Task<> at(Cx cx, int depth, Lines* lines) {
      Farewell bye(lines, "frame " + std::to_string(depth));
      if (depth > 0) {
        co_await at(cx, depth - 1, lines);
      } else {
        co_await fail(ErrorCode::User, "leaf");
      }
    }
  };
  auto h = b.spawn([&](Cx cx) -> Task<> {
    auto task = Level::at(cx, 2, &lines);
    Outcome<> o = co_await std::move(task).outcome();
    lines.push_back(o.is_err() ? "handler" : "?");
  });
  ASSERT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(lines, (Lines{"frame 0", "frame 1", "frame 2", "handler"}));
}

TEST(Outcomes, O4_a_joiner_goes_on_after_the_frames_of_the_task) {
  Bench<> b;
  Lines lines;
  auto h = b.spawn([&](Cx) -> Task<> {
    Farewell bye(&lines, "frame");
    co_await fail(ErrorCode::User, "leaf");
  });
  auto joiner = b.spawn([&](Cx cx) -> Task<> {
    Outcome<> o = co_await h.join(cx).outcome();
    lines.push_back(o.is_err() ? "joiner" : "?");
  });
  b.stepper.run_until_idle();
  EXPECT_TRUE(joiner.is_finished());
  EXPECT_EQ(lines, (Lines{"frame", "joiner"}));
}

/// What a guard that commits on success would see.
struct Probe {
  Lines* lines;
  ~Probe() {
    lines->push_back(std::string(unwinding() ? "unwinding" : "success") + ", " +
                     std::to_string(std::uncaught_exceptions()) + " exceptions");
  }
};

TEST(Outcomes, O4_no_exception_is_in_flight_and_unwinding_tells) {
  for (const Named& ending : {endings[0], endings[1], endings[2]}) {
    Bench<> b;
    Lines lines;
    auto h = b.spawn([&](Cx cx) -> Task<> {
      auto guarded = [&](Cx mine) -> Task<> {
        Probe probe{&lines};
        co_await ending.body(mine);
      };
      auto task = guarded(cx);
      (void)co_await std::move(task).outcome();
    });
    ASSERT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
    EXPECT_EQ(lines,
              (Lines{ending.kind == OutcomeKind::Ok ? "success, 0 exceptions" : "unwinding, 0 exceptions"}));
  }
}

TEST(Outcomes, O4_try_and_catch_do_not_see_a_failure_of_what_is_awaited) {
  for (const Named& ending : {endings[1], endings[2], endings[3]}) {
    Bench<CollectAll> b;
    bool caught = false;
    auto h = b.spawn([&](Cx cx) -> Task<> {
      try {
        co_await ending.body(cx);
      } catch (...) { caught = true; }
    });
    EXPECT_FALSE(b.stepper.run(h.join(b.cx)).is_ok());
    EXPECT_FALSE(caught);
  }
}

struct Thrower {
  Lines* lines;
  ~Thrower() noexcept(false) {
    lines->push_back("throws");
    throw std::logic_error("torn");
  }
};

TEST(Outcomes, O4_a_destructor_that_throws_makes_the_task_end_panicked) {
  for (const Named& ending : {endings[0], endings[1], endings[2]}) {
    Bench<CollectAll> b;
    Lines lines;
    auto h = b.spawn([&](Cx cx) -> Task<> {
      Farewell first(&lines, "rest of the frame");
      Thrower thrower{&lines};
      co_await ending.body(cx);
    });
    Outcome<> o = b.stepper.run(h.join(b.cx));
    ASSERT_TRUE(o.is_panicked()) << o;
    EXPECT_TRUE(o.panic().message().ends_with(": torn")) << o;
    EXPECT_EQ(lines, (Lines{"throws", "rest of the frame"}));
  }
}

// ---- O5: nobody is cancelled by reading ----

TEST(Outcomes, O5_co_await_of_a_cancelled_outcome_is_an_error_for_who_bears_no_request) {
  Bench<CollectAll> b;
  auto h = b.spawn([](Cx cx) -> Task<int> { co_return co_await ends_cancelled(cx); });
  Outcome<int> o = b.stepper.run(h.join(b.cx));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(o.error().code(), ErrorCode::ChildCancelled);
  ASSERT_NE(o.error().cancel_reason(), nullptr);
  EXPECT_EQ(o.error().cancel_reason()->message(), "enough");
}

TEST(Outcomes, O5_a_join_of_a_cancelled_task_too) {
  Bench<> b;
  auto victim = b.scope.spawn(b.cx, sleeper).value();
  auto h = b.spawn([&](Cx cx) -> Task<> { co_await victim.join(cx); });
  b.stepper.run_until_idle();
  victim.abort_with_reason(CancelReason::user("stop it"));
  Outcome<> o = b.stepper.run(h.join(b.cx));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(o.error().code(), ErrorCode::ChildCancelled);
  EXPECT_EQ(o.error().cancel_reason()->message(), "stop it");
}

TEST(Outcomes, O5_it_is_timed_out_for_timeout_and_deadline) {
  for (auto [kind, code] : {std::pair{CancelKind::Timeout, ErrorCode::TimedOut},
                            {CancelKind::Deadline, ErrorCode::TimedOut},
                            {CancelKind::PollQuota, ErrorCode::ChildCancelled},
                            {CancelKind::Shutdown, ErrorCode::ChildCancelled}}) {
    Bench<> b;
    auto h =
        b.spawn([why = kind](Cx) -> Task<> { co_await Outcome<>::cancelled(CancelReason::make(why, "why")); });
    Outcome<> o = b.stepper.run(h.join(b.cx));
    ASSERT_TRUE(o.is_err()) << o;
    EXPECT_EQ(o.error().code(), code) << kind;
    EXPECT_EQ(o.error().cancel_reason()->kind(), kind);
  }
}

TEST(Outcomes, O5_outcome_shows_cancelled) {
  Bench<> b;
  auto h = b.spawn([](Cx cx) -> Task<bool> {
    auto task = ends_cancelled(cx);
    Outcome<int> o = co_await std::move(task).outcome();
    co_return o.is_cancelled();
  });
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).value());
}

TEST(Outcomes, O5_a_task_with_a_request_ends_cancelled) {
  Bench<> b;
  auto h = b.spawn([](Cx cx) -> Task<int> { co_return co_await ends_cancelled(cx); });
  h.abort();
  Outcome<int> o = b.stepper.run(h.join(b.cx));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().message(), "enough");
}

TEST(Outcomes, O5_a_request_on_the_region_counts_also_under_a_mask) {
  Bench<> b;
  auto h = b.spawn([](Cx cx) -> Task<int> {
    MaskGuard mask = cx.mask();
    co_await cx.yield();
    co_return co_await ends_cancelled(cx);
  });
  b.stepper.step(h.task_id());
  b.stepper.cancel(b.root, CancelReason::user("outer"));
  Outcome<int> o = b.stepper.run(h.join(b.cx));
  ASSERT_TRUE(o.is_cancelled()) << o;
}

TEST(Outcomes, O5_the_outcome_of_a_cancelled_region_is_read_the_same_way) {
  Bench<> b;
  auto body = [](Cx cx, Scope<>& scope) -> Task<> {
    scope.cancel(CancelReason::user("inner"));
    co_await cx.checkpoint();
  };
  auto h = b.spawn([&](Cx cx) -> Task<> {
    auto region = quiesce::region(cx, FailFast{}, body);
    co_await std::move(region);
  });
  Outcome<> o = b.stepper.run(h.join(b.cx));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(o.error().code(), ErrorCode::ChildCancelled);
  EXPECT_EQ(o.error().cancel_reason()->message(), "inner");
}

}  // namespace
}  // namespace quiesce::semantics
