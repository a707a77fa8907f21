// Rule C7: requests are level-triggered; masks and their budgets.
#include "support.hpp"

namespace quiesce::semantics {
namespace {

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

/// Counts its steps under a mask until a checkpoint is refused.
Task<> counts_steps(Cx cx, int* steps) {
  MaskGuard mask = cx.mask();
  for (;;) {
    co_await cx.yield();
    co_await cx.checkpoint();
    ++*steps;
  }
}

/// The steps under a mask, after a request, until a checkpoint is refused.
int masked_steps(Bench<>& b, CancelReason reason) {
  int steps = 0;
  auto h = b.scope.spawn(b.cx, counts_steps, unsafe_send(&steps)).value();
  b.stepper.step(h.task_id());
  b.stepper.cancel(b.root, reason);
  b.stepper.run_until_idle();
  EXPECT_TRUE(h.is_finished());
  return steps;
}

/// Sleeps for an hour under a mask and notes when it goes on.
Task<> masked_sleeper(Cx cx, Time* woken) {
  MaskGuard mask = cx.mask();
  (void)co_await cx.sleep(1h).outcome();
  *woken = cx.now();
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
    co_await masked_sleeper(cx, &woken);
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
    co_await counts_steps(cx, &steps);
  };
  EXPECT_TRUE(b.run_region(body, RegionOptions().with_cleanup({5, 1h})).is_cancelled());
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
    SCOPED_TRACE(on_task ? "requests on the task" : "requests on its region");
    Bench<> b;
    Time woken;
    auto h = b.scope.spawn(b.cx, masked_sleeper, unsafe_send(&woken)).value();
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
  auto h = b.scope.spawn(b.cx, masked_sleeper, unsafe_send(&woken)).value();
  b.stepper.step(h.task_id());
  b.stepper.cancel(b.root, CancelReason::user("mild"));
  b.stepper.advance(10s);
  // Its two seconds, counted from the first request, have long passed.
  b.stepper.cancel(b.root, CancelReason::shutdown("graver"));
  b.stepper.run_until_idle();
  EXPECT_EQ(woken, Time::zero() + 10s);
}

}  // namespace
}  // namespace quiesce::semantics
