// Rule C10: tasks that ignore a request are waited for, or escalated in a bounded region.
#include <atomic>
#include <latch>
#include <optional>
#include <thread>

#include "quiesce/log.hpp"
#include "support.hpp"

namespace quiesce::semantics {
namespace {

/// Ignores every request, in waits under ever new masks.
Task<> ignores(Cx cx, int seconds) {
  for (int i = 0; i < seconds; ++i) {
    MaskGuard mask = cx.mask();
    (void)co_await cx.sleep(1s).outcome();
  }
}

TEST(Masks, C10_by_default_a_task_that_ignores_a_request_is_waited_for) {
  Bench<> b(with_cleanup(1000, 10s));
  auto body = [](Cx cx, Scope<>& scope) -> Task<> {
    scope.cancel(CancelReason::user("stop"));
    co_await ignores(cx, 60);
  };
  EXPECT_TRUE(b.run_region(body).is_ok());
  EXPECT_EQ(b.stepper.now(), Time::zero() + 60s);
}

struct Bounded : ::testing::Test {
  std::shared_ptr<InMemoryMetrics> metrics = std::make_shared<InMemoryMetrics>();
  std::shared_ptr<MemoryLogSink> log = std::make_shared<MemoryLogSink>();
  Bench<> b{StepperOptions{.metrics = metrics, .log = log}};
  Lines lines;
  std::uint64_t escalated() const { return metrics->count(MetricKind::Escalated); }
  static RegionOptions bounded() { return RegionOptions().bounded().with_cleanup({1000, 10s}); }
  template <class Body>
  Outcome<> run_bounded(Body& body) {
    return b.run_region(body, bounded());
  }
  /// A task that has opened such a region and awaits it.
  template <class Body>
  TaskHandle<> open_bounded(Body& body) {
    auto opener = b.spawn([this, &body](Cx cx) -> Task<> {
      auto region = b.scope.region_with(cx, bounded(), FailFast{}, body);
      co_await std::move(region);
    });
    b.stepper.run_until_idle();
    return opener;
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

// Both are due in the same instant; the graver request of the deadline must not find the clean-up's timer half spent.
TEST_F(Bounded, B4_C10_a_deadline_and_the_end_of_the_clean_up_fall_together) {
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    Farewell bye(&lines, "frame");
    scope.cancel(CancelReason::user("stop"));
    co_await ignores(cx, 60);
  };
  const Budget budget = Budget::infinite().with_deadline(Time::zero() + 10s);
  Outcome<> o = b.run_region(body, bounded().with_budget(budget));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().kind(), CancelKind::Deadline);
  EXPECT_EQ(lines, Lines{"frame"});
  EXPECT_EQ(b.stepper.now(), Time::zero() + 10s);
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
  auto opener = open_bounded(body);
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
  EXPECT_TRUE(b.run_region(body, RegionOptions().bounded()).is_cancelled());
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
  auto opener = open_bounded(body);
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
  auto opener = open_bounded(body);
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
  auto opener = open_bounded(body);
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
    auto region = b.scope.region_with(cx, bounded(), FailFast{}, body);
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

// ---- on threads: whatever the interleaving, every frame goes ----

TEST(Masks, C10_escalation_races_completion_on_threads) {
  Runtime rt = Runtime::builder().workers(2).build();
  constexpr int rounds = repeated(100);
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
