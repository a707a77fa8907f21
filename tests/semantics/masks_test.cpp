// Rules C7, C10 and C11.
#include <atomic>
#include <latch>
#include <thread>

#include "quiesce/log.hpp"
#include "support.hpp"

namespace quiesce::semantics {
namespace {

StepperOptions with_cleanup(std::uint32_t steps, Duration time) {
  StepperOptions options;
  options.cleanup = CleanupBudget{steps, time};
  return options;
}

// ---- C7: level-triggered ----

TEST(Masks, C7_every_checkpoint_and_cancellable_operation_is_refused_until_the_end) {
  Bench<> b;
  Door door;
  auto target = b.scope.spawn(b.cx, at_door, UnsafeSend(&door)).value();
  int refused = 0;
  auto h = b.spawn([&](Cx cx) -> Task<int> {
    for (int i = 0; i < 3; ++i) {
      if (cx.checkpoint().is_cancelled()) ++refused;
      Outcome<> slept = co_await cx.sleep(1h).outcome();
      if (slept.is_cancelled()) ++refused;
      Outcome<> joined = co_await target.join(cx).outcome();
      if (joined.is_cancelled()) ++refused;
      auto race = b.scope.race_all(cx, std::vector<TaskHandle<>>());
      auto raced = co_await std::move(race).outcome();
      if (raced.is_cancelled()) ++refused;
    }
    co_await cx.yield();
    co_return 1;
  });
  h.abort();
  b.stepper.run_until_idle();
  EXPECT_EQ(refused, 12);
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_cancelled());  // by the yield
  EXPECT_EQ(b.stepper.now(), Time::zero());
  door.open();
}

TEST(Masks, C7_a_timeout_of_no_time_is_refused_too) {
  Bench<> b;
  auto h = b.spawn([&](Cx cx) -> Task<bool> {
    auto branch = co_await b.scope.spawn(cx, sleeper);
    auto timeout = b.scope.timeout(cx, Duration::zero(), std::move(branch));
    Outcome<> o = co_await std::move(timeout).outcome();
    co_return o.is_cancelled();
  });
  h.abort();
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).value());
}

// ---- C7: under a mask ----

TEST(Masks, C7_under_a_mask_checkpoints_succeed_and_waits_are_not_woken) {
  Bench<> b;
  Lines lines;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    MaskGuard mask = cx.mask();
    co_await cx.sleep(5ms);
    lines.push_back(cx.checkpoint().is_ok() ? "checkpoint" : "refused");
    co_await cx.sleep(5ms);
    co_await cx.yield();
    lines.push_back(cx.is_cancel_requested() ? "end" : "?");
  });
  b.stepper.step(h.task_id());
  h.abort();
  EXPECT_TRUE(b.stepper.runnable().empty());
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(lines, (Lines{"checkpoint", "end"}));
  EXPECT_EQ(b.stepper.now(), Time::zero() + 10ms);
}

TEST(Masks, C7_unmasking_is_not_a_checkpoint_but_the_next_one_is_refused) {
  Bench<> b;
  Lines lines;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    {
      MaskGuard mask = cx.mask();
      co_await cx.yield();
    }
    lines.push_back("after the mask");
    co_await cx.yield();
    lines.push_back("beyond");
  });
  b.stepper.step(h.task_id());
  h.abort();
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_cancelled());
  EXPECT_EQ(lines, (Lines{"after the mask"}));
}

// ---- C7: budgets ----

/// Steps under a mask, after a request, until a checkpoint is refused.
int masked_steps(Bench<>& b, CancelReason reason) {
  int steps = 0;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    MaskGuard mask = cx.mask();
    for (;;) {
      co_await cx.yield();
      co_await cx.checkpoint();
      ++steps;
    }
  });
  b.stepper.step(h.task_id());
  b.stepper.cancel(b.root, reason);
  b.stepper.run_until_idle();
  EXPECT_TRUE(h.is_finished());
  return steps;
}

TEST(Masks, C7_a_mask_has_a_budget_of_steps) {
  Bench<> b(with_cleanup(7, 1h));
  EXPECT_EQ(masked_steps(b, CancelReason::user("stop")), 7);
}

TEST(Masks, C7_the_default_budgets_are_tighter_the_higher_the_rank) {
  int before = 1 << 30;
  for (CancelKind kind : {CancelKind::User, CancelKind::Deadline, CancelKind::PollQuota, CancelKind::LinkedExit,
                          CancelKind::ResourceUnavailable, CancelKind::Shutdown}) {
    Bench<> b;
    int steps = masked_steps(b, CancelReason::make(kind, "stop"));
    EXPECT_EQ(steps, static_cast<int>(default_cleanup_budget(rank(kind)).steps)) << kind;
    EXPECT_LT(steps, before);
    before = steps;
  }
  for (std::uint8_t r = 1; r <= max_cancel_rank; ++r)
    EXPECT_LT(default_cleanup_budget(r).time, default_cleanup_budget(r - 1).time);
}

TEST(Masks, C7_it_is_the_rank_of_the_root_cause) {
  Bench<> b;
  const CancelReason reason = CancelReason::parent_cancelled().with_cause(CancelReason::user("mild"));
  EXPECT_EQ(masked_steps(b, reason), static_cast<int>(default_cleanup_budget(0).steps));
}

TEST(Masks, C7_a_reason_may_bring_a_tighter_budget) {
  Bench<> b;
  EXPECT_EQ(masked_steps(b, CancelReason::user("quickly").with_cleanup({3, 1h})), 3);
}

TEST(Masks, C7_a_mask_has_a_budget_of_time_and_its_end_wakes_the_task) {
  Bench<> b(with_cleanup(1000, 20ms));
  Time woken;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    MaskGuard mask = cx.mask();
    (void)co_await cx.sleep(1h).outcome();
    woken = cx.now();
    co_await cx.checkpoint();
  });
  b.stepper.step(h.task_id());
  b.stepper.advance(5ms);
  h.abort();
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_cancelled());
  EXPECT_EQ(woken, Time::zero() + 25ms);  // from the request
}

TEST(Masks, C7_the_budget_runs_from_the_mask_when_that_is_later) {
  Bench<> b(with_cleanup(1000, 20ms));
  Time woken;
  Door door;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    co_await door;
    MaskGuard mask = cx.mask();
    (void)co_await cx.sleep(1h).outcome();
    woken = cx.now();
  });
  b.stepper.step(h.task_id());
  h.abort();
  b.stepper.advance(5ms);
  door.open();
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(woken, Time::zero() + 25ms);
}

TEST(Masks, C7_without_a_request_it_does_not_run) {
  Bench<> b(with_cleanup(3, 1ms));
  auto h = b.spawn([](Cx cx) -> Task<bool> {
    MaskGuard mask = cx.mask();
    for (int i = 0; i < 10; ++i) co_await cx.yield();
    co_await cx.sleep(1s);
    co_return cx.checkpoint().is_ok();
  });
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).value());
}

TEST(Masks, C7_it_is_settable_per_region) {
  Bench<> b;
  int steps = 0;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    MaskGuard mask = cx.mask();
    scope.cancel(CancelReason::user("stop"));
    for (;;) {
      co_await cx.yield();
      co_await cx.checkpoint();
      ++steps;
    }
  };
  auto region = b.scope.region_with(b.cx, RegionOptions().with_cleanup({5, 1h}), FailFast{}, body);
  EXPECT_TRUE(b.run(std::move(region)).is_cancelled());
  EXPECT_EQ(steps, 5);
}

TEST(Masks, C7_an_inner_mask_neither_ends_the_outer_nor_gives_a_new_budget) {
  Bench<> b(with_cleanup(6, 1h));
  int steps = 0;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    MaskGuard outer = cx.mask();
    for (;;) {
      { MaskGuard inner = cx.mask(); }
      MaskGuard second = cx.mask();
      co_await cx.yield();
      co_await cx.checkpoint();
      ++steps;
    }
  });
  b.stepper.step(h.task_id());
  h.abort();
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_cancelled());
  EXPECT_EQ(steps, 6);
}

TEST(Masks, C7_a_spent_mask_counts_as_none_until_the_outermost_guard_is_gone) {
  Bench<> b(with_cleanup(2, 1h));
  Lines lines;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    auto look = [&](const char* where) {
      lines.push_back(std::string(where) + (cx.checkpoint().is_ok() ? " ok" : " refused"));
    };
    {
      MaskGuard outer = cx.mask();
      for (int i = 0; i < 3; ++i) co_await cx.yield();
      look("spent");
      {
        MaskGuard inner = cx.mask();
        look("inner");
      }
      look("inner left");
    }
    look("unmasked");
    MaskGuard fresh = cx.mask();
    look("a new outermost mask");
  });
  b.stepper.step(h.task_id());
  h.abort();
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(lines, (Lines{"spent refused", "inner refused", "inner left refused", "unmasked refused",
                          "a new outermost mask ok"}));
}

TEST(Masks, C7_a_graver_request_tightens_the_running_budget_of_steps) {
  Bench<> b;
  int steps = 0;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    MaskGuard mask = cx.mask();
    for (;;) {
      co_await cx.yield();
      co_await cx.checkpoint();
      if (++steps == 100) b.scope.cancel(CancelReason::shutdown("graver"));
    }
  });
  b.stepper.step(h.task_id());
  b.stepper.cancel(b.root, CancelReason::user("mild"));
  b.stepper.run_until_idle();
  EXPECT_EQ(steps, static_cast<int>(default_cleanup_budget(max_cancel_rank).steps));
}

TEST(Masks, C7_a_graver_request_tightens_the_running_budget_of_time) {
  for (bool on_task : {true, false}) {
    Bench<> b;
    Time woken;
    auto h = b.spawn([&](Cx cx) -> Task<> {
      MaskGuard mask = cx.mask();
      (void)co_await cx.sleep(1h).outcome();
      woken = cx.now();
    });
    auto ask = [&](const CancelReason& reason) {
      on_task ? h.abort_with_reason(reason) : b.stepper.cancel(b.root, reason);
    };
    b.stepper.step(h.task_id());
    ask(CancelReason::user("mild"));
    b.stepper.advance(1s);
    ask(CancelReason::shutdown("graver"));
    b.stepper.advance(500ms);
    ask(CancelReason::user("mild again"));
    EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
    EXPECT_EQ(woken, Time::zero() + default_cleanup_budget(max_cancel_rank).time);  // from the first request
  }
}

TEST(Masks, C7_a_graver_request_does_not_give_more_than_is_left) {
  Bench<> b;
  Time woken;
  auto h = b.spawn([&](Cx cx) -> Task<> {
    MaskGuard mask = cx.mask();
    (void)co_await cx.sleep(1h).outcome();
    woken = cx.now();
  });
  b.stepper.step(h.task_id());
  b.stepper.cancel(b.root, CancelReason::user("mild"));
  b.stepper.advance(10s);
  b.stepper.cancel(b.root,
                   CancelReason::shutdown("graver"));  // two seconds from the first request have long passed
  b.stepper.run_until_idle();
  EXPECT_EQ(woken, Time::zero() + 10s);
}

// ---- C10 ----

/// Ignores every request, in waits under ever new masks.
Task<> ignores(Cx cx, int seconds) {
  for (int i = 0; i < seconds; ++i) {
    MaskGuard mask = cx.mask();
    (void)co_await cx.sleep(1s).outcome();
  }
}

constexpr CleanupBudget ten_seconds{1000, 10s};

TEST(Masks, C10_by_default_a_task_that_ignores_a_request_is_waited_for) {
  Bench<> b(with_cleanup(1000, 10s));
  auto body = [](Cx cx, Scope<>& scope) -> Task<> {
    scope.cancel(CancelReason::user("stop"));
    co_await ignores(cx, 60);
  };
  auto region = b.scope.region(b.cx, FailFast{}, body);
  EXPECT_TRUE(b.run(std::move(region)).is_ok());
  EXPECT_EQ(b.stepper.now(), Time::zero() + 60s);
}

struct Bounded : ::testing::Test {
  std::shared_ptr<InMemoryMetrics> metrics = std::make_shared<InMemoryMetrics>();
  std::shared_ptr<MemoryLogSink> log = std::make_shared<MemoryLogSink>();
  Bench<> b{options()};
  Lines lines;
  StepperOptions options() const {
    StepperOptions o;
    o.metrics = metrics;
    o.log = log;
    return o;
  }
  std::uint64_t escalated() const { return metrics->count(MetricKind::Escalated); }
  template <class Body>
  Outcome<> run_bounded(Body& body) {
    auto region =
        b.scope.region_with(b.cx, RegionOptions().bounded().with_cleanup(ten_seconds), FailFast{}, body);
    return b.run(std::move(region));
  }
};

TEST_F(Bounded, C10_past_the_clean_up_budget_the_frame_is_destroyed) {
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    Farewell bye(&lines, "outer frame");
    co_await cx.sleep(5s);
    scope.cancel(CancelReason::user("stop"));
    auto inner = [&](Cx mine) -> Task<> {
      Farewell inside(&lines, "inner frame");
      co_await ignores(mine, 60);
    };
    auto task = inner(cx);
    (void)co_await std::move(task).outcome();
    lines.push_back("beyond");
  };
  Outcome<> o = run_bounded(body);
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().message(), "stop");
  EXPECT_EQ(lines, (Lines{"inner frame", "outer frame"}));
  EXPECT_EQ(b.stepper.now(), Time::zero() + 15s);
}

TEST_F(Bounded, C10_the_escalation_is_recorded) {
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    scope.cancel(CancelReason::user("stop"));
    co_await ignores(cx, 60);
  };
  (void)run_bounded(body);
  EXPECT_EQ(escalated(), 1u);
  ASSERT_EQ(log->size(), 1u);
  EXPECT_EQ(log->records().front().field("task"), "0.0.0.0");
  EXPECT_NE(log->records().front().message.find("ignored a cancel request"), std::string::npos);
}

TEST_F(Bounded, C10_a_task_that_stops_in_time_is_not_escalated) {
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    scope.cancel(CancelReason::user("stop"));
    co_await ignores(cx, 9);
    co_await cx.checkpoint();
  };
  EXPECT_TRUE(run_bounded(body).is_cancelled());
  EXPECT_EQ(escalated(), 0u);
  EXPECT_EQ(b.stepper.now(), Time::zero() + 9s);
  b.stepper.advance(1h);
}

TEST_F(Bounded, C10_a_request_from_above_counts_as_well) {
  auto body = [&](Cx cx, Scope<>&) -> Task<> { co_await ignores(cx, 60); };
  auto opener = b.spawn([&](Cx cx) -> Task<> {
    auto region =
        b.scope.region_with(cx, RegionOptions().bounded().with_cleanup(ten_seconds), FailFast{}, body);
    co_await std::move(region);
  });
  b.stepper.run_until_idle();
  b.stepper.cancel(b.root, CancelReason::user("stop"));
  EXPECT_TRUE(b.stepper.run(opener.join(b.cx)).is_cancelled());
  EXPECT_EQ(b.stepper.now(), Time::zero() + 10s);
}

TEST_F(Bounded, C10_a_graver_request_tightens_the_budget_from_the_first_one) {
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    scope.cancel(CancelReason::user("mild"));
    co_await ignores(cx, 1);
    scope.cancel(CancelReason::shutdown("graver"));
    co_await ignores(cx, 60);
  };
  auto region = b.scope.region_with(b.cx, RegionOptions().bounded(), FailFast{}, body);
  EXPECT_TRUE(b.run(std::move(region)).is_cancelled());
  EXPECT_EQ(b.stepper.now(), Time::zero() + default_cleanup_budget(max_cancel_rank).time);
}

TEST_F(Bounded, C10_regions_that_the_frame_has_opened_drain_first) {
  auto inner = [&](Cx cx, Scope<>&) -> Task<> {
    Farewell bye(&lines, "in the inner region");
    co_await ignores(cx, 60);
  };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    Farewell bye(&lines, "opener");
    scope.cancel(CancelReason::user("stop"));
    MaskGuard mask = cx.mask();
    (void)co_await scope.region(cx, FailFast{}, inner).outcome();
    lines.push_back("left");
    co_await cx.sleep(1s);
    lines.push_back("beyond");
  };
  EXPECT_TRUE(run_bounded(body).is_cancelled());
  EXPECT_EQ(lines.front(), "in the inner region");
  EXPECT_EQ(lines.back(), "opener");
  EXPECT_EQ(b.stepper.now(), Time::zero() + 10s);
}

TEST_F(Bounded, C10_a_region_opened_after_the_escalation_does_not_escape_it) {
  Door door;
  auto inner = [&](Cx cx, Scope<>&) -> Task<> { co_await ignores(cx, 60); };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    co_await door;
    (void)co_await scope.region(cx, FailFast{}, inner).outcome();
  };
  auto opener = b.spawn([&](Cx cx) -> Task<> {
    auto region =
        b.scope.region_with(cx, RegionOptions().bounded().with_cleanup(ten_seconds), FailFast{}, body);
    co_await std::move(region);
  });
  b.stepper.run_until_idle();
  b.stepper.cancel(b.root, CancelReason::user("stop"));
  b.stepper.advance(20s);
  door.open();
  EXPECT_TRUE(b.stepper.run(opener.join(b.cx)).is_cancelled());
  EXPECT_EQ(b.stepper.now(), Time::zero() + 20s);
}

TEST_F(Bounded, C10_a_foreign_await_is_waited_for) {
  Door door;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    Farewell bye(&lines, "frame");
    scope.cancel(CancelReason::user("stop"));
    co_await door;
    lines.push_back("after the foreign await");
    (void)co_await cx.sleep(1s).outcome();
    lines.push_back("beyond");
  };
  auto opener = b.spawn([&](Cx cx) -> Task<> {
    auto region =
        b.scope.region_with(cx, RegionOptions().bounded().with_cleanup(ten_seconds), FailFast{}, body);
    co_await std::move(region);
  });
  b.stepper.run_until_idle();
  b.stepper.advance(1h);
  b.stepper.run_until_idle();
  EXPECT_TRUE(lines.empty());
  EXPECT_FALSE(opener.is_finished());
  door.open();
  b.stepper.run_until_idle();
  EXPECT_EQ(lines, (Lines{"after the foreign await", "frame"}));
  EXPECT_TRUE(opener.is_finished());
}

TEST_F(Bounded, C10_a_combinator_drains_its_branches_all_the_same) {
  Door door;
  auto outside = b.spawn([&](Cx) -> Task<int> {
    Farewell bye(&lines, "branch");
    co_await door;
    co_return 1;
  });
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    Farewell bye(&lines, "frame");
    scope.cancel(CancelReason::user("stop"));
    MaskGuard mask = cx.mask();
    (void)co_await scope.race(cx, std::move(outside)).outcome();
    lines.push_back("beyond");
  };
  auto opener = b.spawn([&](Cx cx) -> Task<> {
    auto region =
        b.scope.region_with(cx, RegionOptions().bounded().with_cleanup(ten_seconds), FailFast{}, body);
    co_await std::move(region);
  });
  b.stepper.run_until_idle();
  b.stepper.advance(20s);
  b.stepper.run_until_idle();
  EXPECT_TRUE(lines.empty());
  door.open();
  b.stepper.run_until_idle();
  EXPECT_EQ(lines, (Lines{"branch", "frame"}));
}

TEST_F(Bounded, C10_finalizers_and_their_regions_go_too) {
  auto inner = [&](Cx cx, Scope<>&) -> Task<> {
    Farewell bye(&lines, "region of the finalizer");
    co_await ignores(cx, 1000);
  };
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    (void)scope.defer_async([&](Cx mine) -> Task<> {
      Farewell bye(&lines, "finalizer");
      auto region = quiesce::region(mine, FailFast{}, inner);
      (void)co_await std::move(region).outcome();
      lines.push_back("beyond");
    });
    co_return;
  };
  EXPECT_TRUE(run_bounded(body).is_ok());
  EXPECT_EQ(lines, (Lines{"region of the finalizer", "finalizer"}));
  EXPECT_EQ(escalated(), 2u);
  EXPECT_EQ(b.stepper.now(), Time::zero() + 20s);  // its own budget, then that of its request
}

TEST_F(Bounded, C10_an_escalated_shield_lets_the_request_through_with_its_reason) {
  std::optional<CancelReason> seen;
  struct Look {
    Cx cx;
    std::optional<CancelReason>* seen;
    Look(Cx c, std::optional<CancelReason>* s) : cx(c), seen(s) {}
    ~Look() { *seen = cx.cancel_reason(); }
  };
  auto shielded = [&](Cx cx, Scope<>&) -> Task<> {
    Look look(cx, &seen);
    (void)co_await cx.sleep(1h).outcome();
    lines.push_back("beyond");
  };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    scope.cancel(CancelReason::user("stop"));
    co_await ignores(cx, 5);
    MaskGuard mask = cx.mask();  // its budget ends after the region's
    (void)co_await scope.region(cx, FailFast{}, shielded).outcome();
  };
  EXPECT_TRUE(run_bounded(body).is_cancelled());
  EXPECT_EQ(b.stepper.now(), Time::zero() + 10s);
  EXPECT_TRUE(lines.empty());
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->kind(), CancelKind::ParentCancelled);
  EXPECT_EQ(seen->root_cause().message(), "stop");
}

TEST_F(Bounded, C10_an_escalated_tasks_own_panic_is_not_lost) {
  Door door;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    scope.cancel(CancelReason::user("stop"));
    co_await door;
    co_await panicking(cx, "bug");
  };
  auto opener = b.spawn([&](Cx cx) -> Task<bool> {
    auto region =
        b.scope.region_with(cx, RegionOptions().bounded().with_cleanup(ten_seconds), FailFast{}, body);
    Outcome<> o = co_await std::move(region).outcome();
    co_return o.is_panicked();
  });
  b.stepper.run_until_idle();
  b.stepper.advance(20s);
  b.stepper.run_until_idle();
  door.open();
  EXPECT_TRUE(b.stepper.run(opener.join(b.cx)).value());
}

TEST(Masks, C10_a_running_blocking_job_is_not_escalated) {
  Runtime rt = Runtime::builder().workers(1).build();
  std::latch release(1);
  std::thread keeper([&] {
    while (rt.stats().escalated == 0) std::this_thread::yield();
    release.count_down();
  });
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    std::latch started(1);
    auto job = UnsafeSend([&](Cx) {
      started.count_down();
      release.wait();
    });
    auto h = co_await scope.spawn_blocking(cx, std::move(job));
    started.wait();
    scope.cancel(CancelReason::user("stop"));
    for (;;) {
      MaskGuard mask = cx.mask();
      (void)co_await cx.sleep(1h).outcome();
    }
  };
  Outcome<> o = rt.block_on_with(RegionOptions().bounded().with_cleanup({1000, 1ms}), body);
  keeper.join();
  EXPECT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(rt.stats().escalated, 1u);  // the body, not the job
}

TEST(Masks, C10_shutdown_names_what_it_could_not_end) {
  Runtime rt = Runtime::builder().workers(1).build();
  std::latch started(1), release(1);
  std::thread user([&] {
    auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
      auto job = UnsafeSend([&](Cx) {
        started.count_down();
        release.wait();
      });
      auto h = co_await scope.spawn_blocking(cx, std::move(job));
      (void)co_await h.join(cx).outcome();
    };
    (void)rt.block_on_with(RegionOptions().with_cleanup({1000, 5ms}), body);
  });
  started.wait();
  ShutdownReport report = rt.shutdown(Duration::zero());
  EXPECT_FALSE(report.drained);
  ASSERT_EQ(report.after_escalation.size(), 1u) << report.text();
  EXPECT_EQ(report.after_escalation.front().path, "0.0.0");
  EXPECT_NE(report.text().find("not finished after the escalation"), std::string::npos);
  release.count_down();
  user.join();
}

// ---- C11 ----

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
  static std::string_view to_string(OutcomeKind kind) { return quiesce::to_string(kind); }
};

TEST_F(Shield, C11_a_request_from_above_waits_at_the_boundary) {
  auto inner = [&](Cx cx, Scope<>& scope) -> Task<> {
    inner_id = scope.region_id();
    co_await cx.sleep(1s);
    lines.push_back(cx.is_cancel_requested() ? "requested" : "shielded");
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
  auto inner = [&](Cx cx, Scope<>&) -> Task<> {
    co_await cx.sleep(1s);
    lines.push_back(cx.is_cancel_requested() ? "requested" : "shielded");
  };
  auto h = open(inner);
  h.abort();
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(lines, (Lines{"shielded", "region ok", "opener sees it"}));
}

TEST_F(Shield, C11_a_request_that_was_there_before_waits_too) {
  auto inner = [&](Cx cx, Scope<>&) -> Task<> {
    co_await cx.sleep(1s);
    lines.push_back(cx.is_cancel_requested() ? "requested" : "shielded");
  };
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
  auto innermost = [&](Cx cx, Scope<>&) -> Task<> {
    co_await cx.sleep(1s);
    lines.push_back(cx.is_cancel_requested() ? "requested" : "shielded");
  };
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
    for (;;) {
      ++steps;
      co_await cx.yield();
    }
  };
  auto h = open(inner);
  b.stepper.cancel(b.root, CancelReason::user("stop"));
  EXPECT_TRUE(b.stepper.run(h.join(b.cx)).is_ok());
  EXPECT_EQ(steps, 1001);  // a thousand are allowed; the next one sees the request at its yield
  EXPECT_EQ(b.stepper.now(), Time::zero() + 1s);
}

TEST_F(Shield, C11_the_steps_of_tasks_in_regions_inside_count_as_well) {
  int steps = 0;
  auto innermost = [&](Cx cx, Scope<>&) -> Task<> {
    for (;;) {
      ++steps;
      co_await cx.yield();
    }
  };
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

// ---- the same on threads: whatever the interleaving, everybody ends ----

TEST(Masks, C11_shields_and_requests_race_on_threads) {
  Runtime rt = Runtime::builder().workers(2).build();
  constexpr int rounds = 200;
  std::atomic<int> shielded{0}, through{0}, ended{0};
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    for (int i = 0; i < rounds; ++i) {
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

TEST(Masks, C10_escalation_races_completion_on_threads) {
  Runtime rt = Runtime::builder().workers(2).build();
  constexpr int rounds = 100;
  std::atomic<int> frames{0};
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    for (int i = 0; i < rounds; ++i) {
      struct Count {
        std::atomic<int>* frames;
        explicit Count(std::atomic<int>* f) : frames(f) { frames->fetch_add(1); }
        ~Count() { frames->fetch_sub(1); }
      };
      auto bounded = [&](Cx mine, Scope<>& region) -> Task<> {
        for (int k = 0; k < 3; ++k) {
          auto work = UnsafeSend([&frames](Cx its) -> Task<> {
            Count count(&frames);
            for (int n = 0; n < 50; ++n) {
              MaskGuard mask = its.mask();
              (void)co_await its.sleep(10us).outcome();
            }
          });
          co_await region.launch(mine, std::move(work));
        }
        region.cancel(CancelReason::user("stop"));
      };
      const RegionOptions options =
          RegionOptions().bounded().with_cleanup({1000, std::chrono::microseconds(i * 20)});
      auto region = scope.region_with(cx, options, FailFast{}, bounded);
      (void)co_await std::move(region).outcome();
      EXPECT_EQ(frames, 0);
    }
  };
  EXPECT_TRUE(rt.block_on(body).is_ok());
  EXPECT_EQ(rt.stats().tasks_spawned, rt.stats().tasks_completed);
}

}  // namespace
}  // namespace quiesce::semantics
