// Rules C1 to C6, C8 and C9. C7 is in masks_test.cpp, C10 in escalation_test.cpp, C11 in shields_test.cpp.
#include <atomic>
#include <latch>
#include <thread>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/obligations.hpp"
#include "support.hpp"

namespace quiesce::semantics {
namespace {

// ---- C1 ----

TEST(Cancellation, C1_kinds_have_their_ranks) {
  constexpr std::pair<CancelKind, int> ranks[] = {{CancelKind::User, 0},
                                                  {CancelKind::Timeout, 1},
                                                  {CancelKind::Deadline, 1},
                                                  {CancelKind::PollQuota, 2},
                                                  {CancelKind::CostBudget, 2},
                                                  {CancelKind::FailFast, 3},
                                                  {CancelKind::RaceLost, 3},
                                                  {CancelKind::LinkedExit, 3},
                                                  {CancelKind::ParentCancelled, 4},
                                                  {CancelKind::ResourceUnavailable, 4},
                                                  {CancelKind::Shutdown, 5}};
  for (auto [kind, expected] : ranks) EXPECT_EQ(rank(kind), expected) << kind;
}

// ---- C2 ----

TEST(Cancellation, C2_a_reason_says_who_asked_where_and_when) {
  Bench<> b;
  b.stepper.advance(3ms);
  auto victim = b.scope.spawn(b.cx, sleeper).value();
  std::uint_least32_t line = 0;
  auto asker = b.spawn([&](Cx cx) -> Task<> {
    line = __LINE__ + 1;
    b.scope.cancel(CancelReason::user("why"));
    co_await cx.yield();
  });
  const TaskId asker_id = asker.task_id();
  Outcome<> o = b.stepper.run(victim.join(b.cx));
  ASSERT_TRUE(o.is_cancelled()) << o;
  const CancelReason& reason = o.cancel_reason();
  EXPECT_EQ(reason.kind(), CancelKind::User);
  EXPECT_EQ(reason.message(), "why");
  EXPECT_EQ(reason.region(), b.root);
  EXPECT_EQ(reason.region_origin().path, "0");
  EXPECT_EQ(reason.task(), asker_id);
  EXPECT_EQ(reason.task_origin().path, "0.0.1");
  EXPECT_EQ(reason.location().line(), line);
  EXPECT_EQ(reason.time(), Time::zero() + 3ms);
  EXPECT_EQ(reason.cause(), nullptr);
}

TEST(Cancellation, C2_an_abort_names_the_task_that_asked) {
  Bench<> b;
  auto victim = b.scope.spawn(b.cx, sleeper).value();
  auto asker = b.spawn([&](Cx) -> Task<> {
    victim.abort_with_reason(CancelReason::user("why"));
    co_return;
  });
  Outcome<> o = b.stepper.run(victim.join(b.cx));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().task_origin().path, "0.0.1");
}

TEST(Cancellation, C2_requests_never_weaken) {
  Bench<> b;
  auto h = b.spawn([](Cx cx) -> Task<> {
    MaskGuard mask = cx.mask();
    co_await cx.sleep(1ms);
  });
  b.stepper.step(h.task_id());
  auto after = [&](CancelReason next) {
    b.stepper.cancel(b.root, std::move(next));
    return b.stepper.region(b.root)->cancel_reason->message();
  };
  EXPECT_EQ(after(CancelReason::fail_fast("middle")), "middle");
  EXPECT_EQ(after(CancelReason::user("weaker")), "middle");
  EXPECT_EQ(after(CancelReason::shutdown("graver")), "graver");
  EXPECT_EQ(after(CancelReason::parent_cancelled("weaker")), "graver");
}

TEST(Cancellation, C2_of_equals_the_first_stands) {
  Bench<> b;
  auto h = b.spawn([](Cx cx) -> Task<> {
    MaskGuard mask = cx.mask();
    co_await cx.sleep(10ms);
  });
  b.stepper.step(h.task_id());
  b.stepper.cancel(b.root, CancelReason::user("first"));
  b.stepper.advance(1ms);
  b.stepper.cancel(b.root, CancelReason::user("second"));
  EXPECT_EQ(b.stepper.task(h.task_id())->cancel_reason->message(), "first");
}

TEST(Cancellation, C2_strengthen_is_associative_commutative_and_idempotent) {
  const CancelReason all[] = {CancelReason::user("a"), CancelReason::user("b").with_time(Time::from_nanos(4)),
                              CancelReason::shutdown("c").with_cleanup({5, 7s}),
                              CancelReason::fail_fast("d").with_cleanup({9, 1s}),
                              CancelReason::parent_cancelled().with_cause(CancelReason::deadline("e"))};
  for (const CancelReason& x : all) {
    EXPECT_EQ(strengthen(x, x), x);
    for (const CancelReason& y : all) {
      EXPECT_EQ(strengthen(x, y), strengthen(y, x));
      EXPECT_GE(strengthen(x, y), x);
      for (const CancelReason& z : all)
        EXPECT_EQ(strengthen(strengthen(x, y), z), strengthen(x, strengthen(y, z)));
    }
  }
}

// ---- C3 ----

struct Phases : ::testing::Test {
  Bench<> b;
  TaskPhase of(TaskId task) const { return b.stepper.task(task)->phase; }
};

TEST_F(Phases, C3_without_a_request) {
  auto h = b.scope.spawn(b.cx, sleeper).value();
  EXPECT_EQ(of(h.task_id()), TaskPhase::Created);
  b.stepper.step(h.task_id());
  EXPECT_EQ(of(h.task_id()), TaskPhase::Running);
  b.stepper.advance(1h);
  b.stepper.step(h.task_id());
  EXPECT_EQ(of(h.task_id()), TaskPhase::Completed);
}

TEST_F(Phases, C3_a_request_moves_created_to_cancel_requested) {
  auto h = b.scope.spawn(b.cx, sleeper).value();
  h.abort();
  EXPECT_EQ(of(h.task_id()), TaskPhase::CancelRequested);
}

TEST_F(Phases, C3_a_checkpoint_acknowledges) {
  std::vector<TaskPhase> seen;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    co_await cx.yield();
    seen.push_back(of(cx.task_id()));
    {
      MaskGuard mask = cx.mask();
      (void)cx.checkpoint();
      seen.push_back(of(cx.task_id()));
    }
    seen.push_back(of(cx.task_id()));
    (void)cx.checkpoint();
    seen.push_back(of(cx.task_id()));
  });
  b.stepper.step(h.task_id());
  h.abort();
  // yield() had been left when the request came, so the body goes on
  b.stepper.run_until_idle();
  EXPECT_EQ(seen, (std::vector{TaskPhase::CancelRequested, TaskPhase::CancelRequested,
                               TaskPhase::CancelRequested, TaskPhase::Cancelling}));
}

TEST_F(Phases, C3_a_wait_that_is_refused_or_woken_acknowledges_also_when_observed) {
  std::vector<TaskPhase> seen;
  auto woken = b.spawn([&](Cx cx) -> Task<> {
    (void)co_await cx.sleep(1h).outcome();
    seen.push_back(of(cx.task_id()));
  });
  b.stepper.step(woken.task_id());
  woken.abort();
  b.stepper.run_until_idle();
  auto joined = b.scope.spawn(b.cx, sleeper).value();
  auto joins = b.spawn([&](Cx cx) -> Task<> {
    (void)co_await joined.join(cx).outcome();
    seen.push_back(of(cx.task_id()));
  });
  b.stepper.run_until_idle();
  joins.abort();
  b.stepper.run_until_idle();
  auto refused = b.spawn([&](Cx cx) -> Task<> {
    (void)co_await cx.sleep(1h).outcome();
    seen.push_back(of(cx.task_id()));
  });
  refused.abort();
  b.stepper.run_until_idle();
  EXPECT_EQ(seen, (std::vector(3, TaskPhase::Cancelling)));
}

TEST_F(Phases, C3_a_further_request_only_strengthens_the_reason) {
  auto h = b.spawn([](Cx cx) -> Task<> {
    (void)cx.checkpoint();
    MaskGuard mask = cx.mask();
    co_await cx.sleep(1s);
  });
  h.abort_with_reason(CancelReason::user("first"));
  b.stepper.step(h.task_id());
  EXPECT_EQ(of(h.task_id()), TaskPhase::Cancelling);
  h.abort_with_reason(CancelReason::shutdown("second"));
  EXPECT_EQ(of(h.task_id()), TaskPhase::Cancelling);
  EXPECT_EQ(b.stepper.task(h.task_id())->cancel_reason->message(), "second");
  EXPECT_EQ(b.stepper.task(h.task_id())->waiting_for, "sleep");
}

/// Notes the phase of its task when it is destroyed.
struct PhaseProbe {
  Phases* test;
  TaskId* task;
  std::vector<TaskPhase>* seen;
  PhaseProbe(Phases* t, TaskId* id, std::vector<TaskPhase>* s) : test(t), task(id), seen(s) {}
  PhaseProbe(PhaseProbe&& other) noexcept
      : test(std::exchange(other.test, nullptr)), task(other.task), seen(other.seen) {}
  PhaseProbe& operator=(PhaseProbe&&) = delete;
  ~PhaseProbe() {
    if (test != nullptr) seen->push_back(test->of(*task));
  }
};

TEST_F(Phases, C3_the_frame_and_the_arguments_are_destroyed_in_finalizing) {
  std::vector<TaskPhase> seen;
  TaskId id;
  auto work = [](Cx cx, PhaseProbe probe) -> Task<> {
    PhaseProbe local(probe.test, probe.task, probe.seen);
    co_await cx.sleep(1h);
  };
  PhaseProbe probe(this, &id, &seen);
  auto h = b.scope.spawn(b.cx, work, UnsafeSend<PhaseProbe>(std::move(probe))).value();
  id = h.task_id();
  b.stepper.step(id);
  h.abort();
  b.stepper.step(id);
  EXPECT_EQ(seen, (std::vector(2, TaskPhase::Finalizing)));
  EXPECT_EQ(of(id), TaskPhase::Completed);
}

TEST_F(Phases, C3_without_a_checkpoint_no_acknowledgement_is_recorded) {
  std::vector<TaskPhase> seen;
  TaskId id;
  auto work = [](Cx cx, PhaseProbe) -> Task<int> {
    MaskGuard mask = cx.mask();
    co_await cx.yield();
    co_return 3;
  };
  PhaseProbe probe(this, &id, &seen);
  auto h = b.scope.spawn(b.cx, work, UnsafeSend<PhaseProbe>(std::move(probe))).value();
  id = h.task_id();
  b.stepper.step(id);
  h.abort();
  EXPECT_EQ(of(id), TaskPhase::CancelRequested);
  b.stepper.step(id);
  EXPECT_EQ(b.stepper.run(h.join(b.cx)).value(), 3);
  EXPECT_EQ(seen, (std::vector{TaskPhase::Finalizing}));
}

// ---- C4 ----

/// A task that opens `depth` nested regions, with a sleeper in each, and notes each region's id.
Task<> nest(Cx cx, int depth, std::vector<RegionId>* regions, std::vector<TaskId>* sleepers) {
  if (depth == 0) {
    co_await cx.sleep(1h);
    co_return;
  }
  auto body = [&](Cx mine, Scope<>& scope) -> Task<> {
    regions->push_back(scope.region_id());
    auto h = co_await scope.spawn(mine, sleeper);
    sleepers->push_back(h.task_id());
    co_await nest(mine, depth - 1, regions, sleepers);
  };
  auto region = quiesce::region(cx, FailFast{}, body);
  co_await std::move(region);
}

struct Reach : ::testing::Test {
  Bench<> b;
  std::vector<RegionId> regions;
  std::vector<TaskId> sleepers;
  TaskHandle<> nested = b.spawn([this](Cx cx) -> Task<> { return nest(cx, 3, &regions, &sleepers); });
  Reach() { b.stepper.run_until_idle(); }
};

TEST_F(Reach, C4_a_request_on_a_region_reaches_every_descendant_and_begins_to_close_it) {
  ASSERT_EQ(regions.size(), 3u);
  for (RegionId region : regions) EXPECT_EQ(b.stepper.region(region)->state, RegionState::Open);
  b.stepper.cancel(b.root, CancelReason::user("origin"));
  for (RegionId region : regions) {
    const auto view = b.stepper.region(region).value();
    EXPECT_EQ(view.state, RegionState::Closing);
    ASSERT_TRUE(view.cancel_reason);
    EXPECT_EQ(view.cancel_reason->kind(), CancelKind::ParentCancelled);
    ASSERT_NE(view.cancel_reason->cause(), nullptr);
    EXPECT_EQ(view.cancel_reason->cause()->kind(), CancelKind::User);
    EXPECT_EQ(view.cancel_reason->cause()->message(), "origin");
  }
  for (TaskId task : sleepers) {
    EXPECT_TRUE(b.stepper.task(task)->cancel_requested);
    EXPECT_EQ(b.stepper.task(task)->cancel_reason->kind(), CancelKind::ParentCancelled);
  }
  EXPECT_EQ(b.stepper.task(nested.task_id())->cancel_reason->kind(), CancelKind::User);
  b.stepper.run_until_idle();
  EXPECT_TRUE(b.stepper.live_tasks().empty());
}

TEST_F(Reach, C4_a_request_on_a_region_does_not_reach_its_parent) {
  Stepper& s = b.stepper;
  s.cancel(regions[1], CancelReason::user("middle"));
  EXPECT_EQ(s.region(regions[0])->state, RegionState::Open);
  EXPECT_FALSE(s.region(regions[0])->cancel_reason);
  EXPECT_FALSE(s.task(sleepers[0])->cancel_requested);
  EXPECT_TRUE(s.task(sleepers[2])->cancel_requested);
}

TEST_F(Reach, C4_a_request_on_a_task_reaches_the_regions_it_has_opened) {
  nested.abort_with_reason(CancelReason::user("origin"));
  EXPECT_TRUE(b.stepper.task(nested.task_id())->cancel_requested);
  for (RegionId region : regions) {
    const auto view = b.stepper.region(region).value();
    EXPECT_EQ(view.state, RegionState::Closing);
    ASSERT_TRUE(view.cancel_reason && view.cancel_reason->cause() != nullptr);
    EXPECT_EQ(view.cancel_reason->cause()->message(), "origin");
  }
  for (TaskId task : sleepers) EXPECT_TRUE(b.stepper.task(task)->cancel_requested);
  EXPECT_EQ(b.stepper.region(b.root)->state, RegionState::Open);
  b.stepper.run_until_idle();
  EXPECT_TRUE(b.stepper.run(nested.join(b.cx)).is_cancelled());
}

TEST(Cancellation, C4_a_region_that_was_left_is_not_reached) {
  Bench<> b;
  auto empty = [](Cx, Scope<>&) -> Task<> { co_return; };
  auto h = b.spawn([&](Cx cx) -> Task<> {
    auto region = quiesce::region(cx, FailFast{}, empty);
    co_await std::move(region);
    co_await cx.sleep(1h);
  });
  b.stepper.run_until_idle();
  h.abort();
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_cancelled());
}

TEST(Cancellation, C4_every_region_is_marked_before_any_task_is_woken) {
  class Order final : public MetricsProvider {
   public:
    Lines lines;
    void cancellation_requested(RegionId, CancelKind kind) override { lines.emplace_back(to_string(kind)); }
  };
  auto order = std::make_shared<Order>();
  StepperOptions options;
  options.metrics = order;
  Bench<> b(options);
  std::vector<RegionId> regions;
  std::vector<TaskId> sleepers;
  auto h = b.spawn([&](Cx cx) -> Task<> { return nest(cx, 2, &regions, &sleepers); });
  b.stepper.run_until_idle();
  b.stepper.cancel(b.root, CancelReason::user("origin"));
  EXPECT_EQ(order->lines, (Lines{"User", "ParentCancelled", "ParentCancelled"}));  // top down
  // The tasks were woken top down too, after all of that: the lane shows the order.
  std::vector<std::string> paths;
  for (TaskId task : b.stepper.runnable()) paths.push_back(b.stepper.task(task)->path);
  ASSERT_EQ(paths.size(), 3u) << "two sleepers and the innermost body";
  EXPECT_LT(paths.front().size(), paths.back().size());
}

TEST(Cancellation, C4_a_region_opened_in_a_cancelled_one_carries_the_original_cause) {
  Bench<> b;
  std::optional<CancelReason> seen;
  auto innermost = [&](Cx cx, Scope<>&) -> Task<> {
    seen = cx.cancel_reason();
    co_return;
  };
  auto inner = [&](Cx cx, Scope<>& scope) -> Task<> {
    (void)co_await cx.sleep(1h).outcome();
    (void)co_await scope.region(cx, FailFast{}, innermost).outcome();
  };
  auto h = b.spawn([&](Cx cx) -> Task<> {
    auto region = quiesce::region(cx, FailFast{}, inner);
    co_await std::move(region);
  });
  b.stepper.run_until_idle();
  b.stepper.cancel(b.root, CancelReason::user("origin"));
  b.stepper.run_until_idle();
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->kind(), CancelKind::ParentCancelled);
  ASSERT_NE(seen->cause(), nullptr);
  EXPECT_EQ(seen->cause()->kind(), CancelKind::User) << *seen;
}

// ---- C5 ----

TEST(Cancellation, C5_a_request_wakes_a_waiting_task_in_the_cancel_lane) {
  Bench<> b;
  auto victim = b.scope.spawn(b.cx, sleeper).value();
  b.stepper.step(victim.task_id());
  auto first = b.scope.spawn(b.cx, answer, 1).value();
  auto second = b.scope.spawn(b.cx, answer, 2).value();
  victim.abort();
  EXPECT_EQ(b.stepper.runnable(), (std::vector{victim.task_id(), first.task_id(), second.task_id()}));
  EXPECT_EQ(b.stepper.step(victim.task_id()), StepResult::done);
}

TEST(Cancellation, C5_a_cancelled_sleep_gives_its_timer_back) {
  Bench<> b;
  bool ended = false;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    (void)co_await cx.sleep(5ms).outcome();
    MaskGuard mask = cx.mask();
    co_await cx.sleep(50ms);  // the first timer, were it left, would end this one
    ended = true;
  });
  b.stepper.step(h.task_id());
  h.abort();
  b.stepper.run_until_idle();
  b.stepper.advance(49ms);
  b.stepper.run_until_idle();
  EXPECT_FALSE(ended);
  b.stepper.advance(1ms);
  b.stepper.run_until_idle();
  EXPECT_TRUE(ended);
}

TEST(Cancellation, C5_a_cancelled_join_gives_its_place_back) {
  Bench<> b;
  Door door;
  auto target = b.spawn([&](Cx) -> Task<int> {
    co_await door;
    co_return 4;
  });
  auto leaves = b.spawn([&](Cx cx) -> Task<int> { co_return co_await target.join(cx); });
  b.stepper.run_until_idle();
  leaves.abort();
  b.stepper.run_until_idle();
  EXPECT_TRUE(b.stepper.run(leaves.join(b.cx)).is_cancelled());
  auto stays = b.spawn([&](Cx cx) -> Task<int> { co_return co_await target.join(cx); });
  b.stepper.run_until_idle();
  door.open();
  EXPECT_EQ(b.stepper.run(stays.join(b.cx)).value(), 4);
}

TEST(Cancellation, C5_completion_races_cancel_the_first_one_wins) {
  for (bool timer_first : {true, false}) {
    Bench<> b;
    auto h = b.spawn([](Cx cx) -> Task<int> {
      Outcome<> slept = co_await cx.sleep(5ms).outcome();
      co_return slept.is_ok() ? 1 : 2;
    });
    b.stepper.step(h.task_id());
    if (timer_first) b.stepper.advance(5ms);
    h.abort();
    if (!timer_first) b.stepper.advance(5ms);
    EXPECT_EQ(b.stepper.runnable().size(), 1u);  // woken once
    EXPECT_EQ(b.stepper.run(h.join(b.cx)).value(), timer_first ? 1 : 2);
  }
}

TEST(Cancellation, C5_completion_races_cancel_on_threads) {
  Runtime rt = Runtime::builder().workers(2).build();
  std::atomic<int> oks{0}, cancels{0};
  constexpr int rounds = repeated(400);
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    for (int i = 0; i < rounds; ++i) {
      auto waits = [](Cx mine, int spins) -> Task<> {
        for (int k = 0; k < spins; ++k) co_await mine.yield();
      };
      auto spawned = co_await scope.spawn(cx, waits, i % 7);
      // Not on this frame: a request may end it first.
      auto target = std::make_shared<TaskHandle<>>(std::move(spawned));
      auto join = UnsafeSend([&oks, &cancels, target](Cx mine) -> Task<> {
        Outcome<> o = co_await target->join(mine).outcome();
        (o.is_ok() ? oks : cancels).fetch_add(1);
      });
      auto joiner = co_await scope.spawn(cx, std::move(join));
      for (int k = 0; k < i % 5; ++k) co_await cx.yield();
      joiner.abort();
      (void)co_await joiner.join(cx).outcome();
      (void)co_await target->join(cx).outcome();
    }
  };
  ASSERT_TRUE(rt.block_on(body).is_ok());
  EXPECT_EQ(oks + cancels, rounds);
}

// ---- C6 ----

TEST(Cancellation, C6_a_task_cancelled_before_its_first_step_runs_it) {
  Bench<> b;
  Lines lines;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    lines.push_back("first step");
    co_await cx.checkpoint();
    lines.push_back("beyond");
  });
  h.abort();
  Outcome<> o = b.stepper.run(h.join(b.cx));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(lines, (Lines{"first step"}));
}

TEST(Cancellation, C6_what_it_returns_is_what_join_gives) {
  Bench<> b;
  auto h = b.spawn([](Cx cx) -> Task<int> {
    if (cx.checkpoint().is_cancelled()) co_return 42;
    co_return 0;
  });
  h.abort();
  EXPECT_EQ(b.stepper.run(h.join(b.cx)).value(), 42);
}

TEST(Cancellation, C6_a_blocking_job_that_has_not_started_ends_cancelled_without_running) {
  Bench<> b;
  bool ran = false;
  auto work = UnsafeSend([&](Cx) {
    ran = true;
    return 1;
  });
  auto h = b.scope.spawn_blocking(b.cx, std::move(work)).value();
  h.abort_with_reason(CancelReason::user("not needed"));
  EXPECT_TRUE(h.is_finished());
  b.stepper.run_until_idle();
  Outcome<int> o = b.stepper.run(h.join(b.cx));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().message(), "not needed");
  EXPECT_FALSE(ran);
}

TEST(Cancellation, C6_the_same_by_a_request_on_the_region) {
  Bench<> b;
  bool ran = false;
  auto work = UnsafeSend([&](Cx) { ran = true; });
  auto h = b.scope.spawn_blocking(b.cx, std::move(work)).value();
  b.stepper.cancel(b.root, CancelReason::user("all"));
  b.stepper.run_until_idle();
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_cancelled());
  EXPECT_FALSE(ran);
  EXPECT_FALSE(b.stepper.region(b.root));
}

TEST(Cancellation, C6_a_running_blocking_job_is_not_interrupted_and_may_ask) {
  Runtime rt = Runtime::builder().workers(1).build();
  std::latch started(1), cancelled(1);
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto work = UnsafeSend([&](Cx mine) {
      started.count_down();
      cancelled.wait();
      return mine.is_cancel_requested() ? 8 : 0;
    });
    auto h = co_await scope.spawn_blocking(cx, std::move(work));
    started.wait();
    h.abort();
    cancelled.count_down();
    co_return co_await h.join(cx);
  };
  EXPECT_EQ(rt.block_on(body).value(), 8);
}

// ---- C8 ----

TEST(Cancellation, C8_cancellation_does_not_resolve_obligations) {
  Bench<> b;
  std::size_t while_cancelled = 0;
  bool resolved = false;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    detail::TaskRecord& me = *cx.core().task;
    detail::RegionRef region{me.region, me.region->word.load().generation()};
    auto id = detail::reserve_obligation(region, {ObligationKind::Ack, &me}).value();
    (void)co_await cx.sleep(1h).outcome();
    while_cancelled = b.stepper.region(b.root)->obligations;
    resolved = detail::resolve_obligation(id, ObligationState::Committed).has_value();
  });
  b.stepper.step(h.task_id());
  b.stepper.cancel(b.root, CancelReason::shutdown("now"));
  EXPECT_EQ(b.stepper.region(b.root)->obligations, 1u);
  b.stepper.run_until_idle();
  EXPECT_EQ(while_cancelled, 1u);
  EXPECT_TRUE(resolved);
  EXPECT_FALSE(b.stepper.region(b.root));
}

// ---- C9 ----

/// A branch that takes three more steps to stop.
Task<int> reluctant(Cx cx, Lines* lines) {
  Farewell bye(lines, "branch");
  MaskGuard mask = cx.mask();
  while (!cx.is_cancel_requested()) co_await cx.yield();
  for (int i = 0; i < 3; ++i) co_await cx.yield();
  co_return 0;
}
Task<int> quick(Cx cx) {
  co_await cx.yield();
  co_return 1;
}
Task<int> quick_failure(Cx cx) {
  co_await cx.yield();
  co_await fail(ErrorCode::User, "broken");
  co_return 0;
}

TEST(Cancellation, C9_a_race_awaits_the_end_of_its_losers) {
  Bench<> b;
  Lines lines;
  auto loser = b.scope.spawn(b.cx, reluctant, UnsafeSend(&lines)).value();
  auto winner = b.scope.spawn(b.cx, quick).value();
  auto race = b.scope.race(b.cx, std::move(loser), std::move(winner));
  EXPECT_EQ(b.run(std::move(race)).value(), 1);
  EXPECT_EQ(lines, (Lines{"branch"}));
}

TEST(Cancellation, C9_a_try_join_awaits_the_end_of_the_rest) {
  Bench<> b;
  Lines lines;
  auto rest = b.scope.spawn(b.cx, reluctant, UnsafeSend(&lines)).value();
  auto failed = b.scope.spawn(b.cx, quick_failure).value();
  auto join = b.scope.try_join(b.cx, std::move(rest), std::move(failed));
  EXPECT_TRUE(b.run(std::move(join)).is_err());
  EXPECT_EQ(lines, (Lines{"branch"}));
}

TEST(Cancellation, C9_a_timeout_awaits_the_end_of_its_task) {
  Bench<> b;
  Lines lines;
  auto slow = UnsafeSend([&](Cx cx) -> Task<int> {
    Farewell bye(&lines, "branch");
    (void)co_await cx.sleep(1h).outcome();
    MaskGuard mask = cx.mask();
    for (int i = 0; i < 3; ++i) co_await cx.yield();
    co_await fail(ErrorCode::User, "late");
    co_return 0;
  });
  auto h = b.scope.spawn(b.cx, std::move(slow)).value();
  auto timeout = b.scope.timeout(b.cx, 5ms, std::move(h));
  EXPECT_TRUE(b.run(std::move(timeout)).is_err());
  EXPECT_EQ(lines, (Lines{"branch"}));
}

TEST(Cancellation, C9_a_combinator_that_is_cancelled_awaits_its_branches) {
  Bench<> b;
  Lines lines;
  auto outer = b.spawn([&](Cx cx) -> Task<> {
    auto branch = co_await b.scope.spawn(cx, reluctant, UnsafeSend(&lines));
    auto race = b.scope.race(cx, std::move(branch));
    Outcome<int> o = co_await std::move(race).outcome();
    lines.push_back(o.is_cancelled() ? "cancelled" : "?");
  });
  b.stepper.step(outer.task_id());
  outer.abort();
  b.stepper.run_until_idle();
  EXPECT_EQ(lines, (Lines{"branch", "cancelled"}));
}

}  // namespace
}  // namespace quiesce::semantics
