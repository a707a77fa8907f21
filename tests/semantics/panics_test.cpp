// Rules P1 to P5: panic isolation in the runtime. The isolator on its own: tests/unit/kernel/panic_isolation_test.cpp.
#include <atomic>
#include <latch>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <thread>

#include "quiesce/log.hpp"
#include "quiesce/panic_isolation.hpp"
#include "support.hpp"

namespace quiesce::semantics {
namespace {

struct Remembering final : LogSink {
  struct Line {
    std::string message;
    std::map<std::string, std::string> fields;
  };
  std::mutex mutex;
  std::vector<Line> lines;
  void do_write(LogLevel, std::string_view message, std::span<const LogField> fields) override {
    Line line{std::string(message), {}};
    for (const LogField& field : fields) line.fields.emplace(field.key, field.value);
    std::scoped_lock hold(mutex);
    lines.push_back(std::move(line));
  }
  std::vector<Line> panics() {
    std::scoped_lock hold(mutex);
    std::vector<Line> found;
    for (const Line& line : lines) {
      if (line.message == "panic isolated") found.push_back(line);
    }
    return found;
  }
};

struct Isolated : ::testing::Test {
  std::shared_ptr<InMemoryMetrics> metrics = std::make_shared<InMemoryMetrics>();
  std::shared_ptr<Remembering> log = std::make_shared<Remembering>();

  StepperOptions options(PanicIsolationConfig panics = PanicIsolationConfig{
                             .capture_backtraces = false}) const {
    StepperOptions wanted;
    wanted.panics = panics;
    wanted.metrics = metrics;
    wanted.log = log;
    return wanted;
  }
};

// ---- P1: locations ----

TEST_F(Isolated, P1_P5_a_tasks_panic_names_task_region_and_poll_attempt) {
  Bench bench(options());
  auto child = [](Cx cx) -> Task<> {
    co_await cx.yield();
    co_await cx.yield();
    throw std::runtime_error("third step");
  };
  auto handle = bench.scope.spawn(bench.cx, child).value();
  bench.stepper.run_until_idle();
  auto panics = log->panics();
  ASSERT_EQ(panics.size(), 1u);
  auto& fields = panics[0].fields;
  EXPECT_EQ(fields["location"], "TaskExecution(task=" + to_string(handle.task_id()) +
                                    ", region=" + to_string(bench.root) + ", poll=3)");
  EXPECT_EQ(fields["task"], to_string(handle.task_id()));
  EXPECT_EQ(fields["region"], to_string(bench.root));
  EXPECT_EQ(fields["logical"], "0.0.0");
  EXPECT_EQ(fields["message"], "third step");
  EXPECT_EQ(metrics->panics("task_execution"), 1u);
}

TEST_F(Isolated, P1_P5_a_finalizers_panic_names_region_and_type) {
  Bench bench(options());
  (void)bench.scope.defer_sync([] { throw std::runtime_error("s"); });
  auto async = [](Cx) -> Task<> {
    throw std::runtime_error("a");
    co_return;
  };
  (void)bench.scope.defer_async(async);
  bench.stepper.begin_close(bench.root);
  bench.stepper.run_until_idle();
  auto panics = log->panics();
  ASSERT_EQ(panics.size(), 2u);
  const std::string region = to_string(bench.root);
  EXPECT_EQ(panics[0].fields["location"], "FinalizerExecution(region=" + region + ", type=Async)");
  EXPECT_EQ(panics[1].fields["location"], "FinalizerExecution(region=" + region + ", type=Sync)");
  EXPECT_EQ(panics[1].fields["region"], region);
  EXPECT_EQ(metrics->panics("finalizer_execution"), 2u);
}

struct ThrowingPolicy {
  PolicyAction on_child_failure(const ChildFailure&) { throw std::runtime_error("policy"); }
  void aggregate(Outcome<>&, Outcome<>) {}
};

struct Thrower {
  explicit Thrower(int) {}
  ~Thrower() noexcept(false) { throw std::runtime_error("value"); }
};

TEST_F(Isolated, P1_P5_region_cleanup_names_the_phase) {
  Bench bench(options());
  auto body = [](Cx cx, Scope<ThrowingPolicy>& scope) -> Task<> {
    (void)scope.heap_alloc<Thrower>(1);
    (void)scope.launch(cx, failing, std::string("e"));
    co_return;
  };
  (void)bench.run(bench.scope.region(bench.cx, ThrowingPolicy{}, body));
  auto panics = log->panics();
  ASSERT_EQ(panics.size(), 2u);
  EXPECT_NE(panics[0].fields["location"].find("phase=StateTransition"), std::string::npos)
      << panics[0].fields["location"];
  EXPECT_NE(panics[1].fields["location"].find("phase=ResourceCleanup"), std::string::npos)
      << panics[1].fields["location"];
  EXPECT_EQ(metrics->panics("region_cleanup"), 2u);
}

TEST_F(Isolated, P1_P5_obligations_and_the_scheduler_have_their_places) {
  PanicIsolator isolator(PanicIsolationConfig{.capture_backtraces = false}, metrics, log);
  auto fails = []() -> int { throw std::runtime_error("x"); };
  EXPECT_TRUE(isolator.isolate_obligation_handling({2, 1}, {3, 1}, fails).is_panicked());
  EXPECT_TRUE(isolator.isolate_scheduler_operation(0, "steal", fails).is_panicked());
  EXPECT_TRUE(isolator.isolate_scheduler_operation(std::nullopt, "steal", fails).is_panicked());
  auto panics = log->panics();
  EXPECT_EQ(panics[0].fields["location"], "ObligationHandling(obligation=O2.1, region=R3.1)");
  EXPECT_EQ(panics[0].fields["obligation"], "O2.1");
  EXPECT_EQ(panics[1].fields["location"], "SchedulerInternal(worker=0, op=steal)");
  EXPECT_EQ(panics[2].fields["location"], "SchedulerInternal(worker=unknown, op=steal)");
  EXPECT_EQ(metrics->panics("obligation_handling"), 1u);
  EXPECT_EQ(metrics->panics("scheduler_internal"), 2u);
}

// ---- P2: results and contexts ----

TEST_F(Isolated, P2_isolating_gives_success_panicked_or_skipped) {
  PanicIsolator isolator(PanicIsolationConfig{.capture_backtraces = false, .panic_threshold_per_region = 1},
                         metrics, log);
  const RegionId region{1, 1};
  const TaskId task{4, 2};
  auto value = isolator.isolate_task_execution(task, region, 1, [] { return 42; });
  EXPECT_EQ(std::move(value).into_success(), 42);
  auto panicked =
      isolator.isolate_task_execution(task, region, 2, []() -> int { throw std::runtime_error("x"); });
  ASSERT_TRUE(panicked.is_panicked());
  const PanicContext& context = panicked.panic_context();
  EXPECT_EQ(context.panic_message, "x");
  EXPECT_EQ(context.task_id, task);
  EXPECT_EQ(context.region_id, region);
  EXPECT_FALSE(context.obligation_id);
  EXPECT_FALSE(context.backtrace);
  bool ran = false;
  auto skipped = isolator.isolate_task_execution(task, region, 3, [&] { ran = true; });
  ASSERT_TRUE(skipped.is_skipped());
  EXPECT_FALSE(ran);
  EXPECT_EQ(skipped.skip_reason().text(), "region R1.1 exceeded panic threshold 1 with 1 isolated panics");
  EXPECT_NE(skipped.panic_context().panic_id, context.panic_id);
}

TEST_F(Isolated, P2_ids_are_unique_in_a_run_and_the_same_in_the_next) {
  auto ids = [&] {
    Bench<CollectAll> bench(options());
    log->lines.clear();
    for (int i = 0; i < 3; ++i) {
      (void)bench.scope.spawn(bench.cx, panicking, std::string("p")).value();
      bench.stepper.run_until_idle();
    }
    Lines found;
    for (auto& line : log->panics()) found.push_back(line.fields["panic_id"]);
    return found;
  };
  Lines first = ids();
  EXPECT_EQ(first, (Lines{"panic-0.0.0-1", "panic-0.0.1-2", "panic-0.0.2-3"}));
  EXPECT_EQ(ids(), first);
}

// ---- P3: the threshold ----

TEST_F(Isolated, P3_reaching_the_threshold_cancels_the_region_with_resource_unavailable) {
  Bench<CollectAll> bench(options({.capture_backtraces = false, .panic_threshold_per_region = 3}));
  auto sleeping = bench.scope.spawn(bench.cx, sleeper).value();
  bench.stepper.run_until_idle();
  for (int i = 1; i <= 3; ++i) {
    (void)bench.scope.spawn(bench.cx, panicking, std::string("p")).value();
    bench.stepper.run_until_idle();
    EXPECT_EQ(sleeping.is_finished(), i == 3) << i;
  }
  Outcome<> outcome = bench.stepper.run(sleeping.join(bench.cx));
  ASSERT_TRUE(outcome.is_cancelled());
  EXPECT_EQ(outcome.cancel_reason().kind(), CancelKind::ResourceUnavailable);
  EXPECT_NE(outcome.cancel_reason().message().find("exceeded panic threshold 3 with 3 isolated panics"),
            std::string::npos);
}

TEST_F(Isolated, P3_a_task_that_has_not_begun_is_skipped_and_one_that_has_is_not) {
  Bench<CollectAll> bench(options({.capture_backtraces = false, .panic_threshold_per_region = 1}));
  Door door;
  Lines lines;
  auto begun_task = [](Cx, Door* held, Lines* out) -> Task<int> {
    co_await *held;
    out->push_back("went on");
    co_return 7;
  };
  auto unborn_task = [](Cx, Lines* out, Farewell) -> Task<int> {
    out->push_back("ran");
    co_return 1;
  };
  auto begun = bench.scope.spawn(bench.cx, begun_task, unsafe_send(&door), unsafe_send(&lines)).value();
  bench.stepper.step(begun.task_id());
  auto panics = bench.scope.spawn(bench.cx, panicking, std::string("p")).value();
  auto unborn =
      bench.scope.spawn(bench.cx, unborn_task, unsafe_send(&lines), UnsafeSend(Farewell(&lines, "argument")))
          .value();
  auto job = bench.scope.spawn_blocking(bench.cx, [](Cx) { return 1; }).value();
  bench.stepper.step(panics.task_id());
  bench.stepper.step(unborn.task_id());
  EXPECT_EQ(lines, Lines{"argument"}) << "its arguments are destroyed like any task's";
  Outcome<int> skipped = bench.stepper.run(unborn.join(bench.cx));
  ASSERT_TRUE(skipped.is_panicked()) << skipped;
  EXPECT_NE(skipped.panic().message().find("exceeded panic threshold 1 with 1 isolated panics"),
            std::string::npos);
  EXPECT_FALSE(bench.stepper.run(job.join(bench.cx)).is_ok())
      << "a job that has not begun does not begin either";
  door.open();
  EXPECT_EQ(bench.stepper.run(begun.join(bench.cx)).value(), 7);
  EXPECT_EQ(metrics->panics("task_execution"), 1u) << "a skip is no panic";
}

TEST_F(Isolated, P3_other_regions_are_unaffected) {
  Bench<CollectAll> bench(options({.capture_backtraces = false, .panic_threshold_per_region = 1}));
  RegionId other_root = bench.stepper.create_root_region();
  (void)bench.scope.spawn(bench.cx, panicking, std::string("p")).value();
  bench.stepper.run_until_idle();
  auto handle = bench.stepper.scope(other_root).spawn(bench.cx, answer, 7).value();
  EXPECT_EQ(bench.stepper.run(handle.join(bench.cx)).value(), 7);
}

TEST_F(Isolated, P3_without_a_threshold_nothing_is_skipped) {
  Bench<CollectAll> bench(options({.capture_backtraces = false, .panic_threshold_per_region = std::nullopt}));
  for (int i = 0; i < 30; ++i) (void)bench.scope.spawn(bench.cx, panicking, std::string("p")).value();
  bench.stepper.run_until_idle();
  auto handle = bench.scope.spawn(bench.cx, answer, 7).value();
  EXPECT_EQ(bench.stepper.run(handle.join(bench.cx)).value(), 7);
  EXPECT_EQ(metrics->panics("task_execution"), 30u);
}

TEST_F(Isolated, P3_the_default_threshold_is_ten) {
  Bench<CollectAll> bench(options());
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(bench.stepper.region(bench.root)->cancel_reason) << i;
    (void)bench.scope.spawn(bench.cx, panicking, std::string("p")).value();
    bench.stepper.run_until_idle();
  }
  EXPECT_FALSE(bench.stepper.region(bench.root)) << "cancelled, and with nothing left to wait for";
}

TEST_F(Isolated, P3_a_sliding_window_forgets) {
  Bench<CollectAll> bench(
      options({.capture_backtraces = false, .panic_threshold_per_region = 2, .threshold_window = 1s}));
  for (int i = 0; i < 5; ++i) {
    (void)bench.scope.spawn(bench.cx, panicking, std::string("p")).value();
    bench.stepper.run_until_idle();
    bench.stepper.advance(2s);
  }
  EXPECT_FALSE(bench.stepper.region(bench.root)->cancel_reason);
  auto handle = bench.scope.spawn(bench.cx, answer, 7).value();
  EXPECT_EQ(bench.stepper.run(handle.join(bench.cx)).value(), 7);
}

TEST_F(Isolated, P3_clean_up_and_aborts_are_always_done) {
  Bench<CollectAll> bench(options({.capture_backtraces = false, .panic_threshold_per_region = 1}));
  Lines lines;
  auto body = [&](Cx cx, Scope<CollectAll>& scope) -> Task<> {
    (void)scope.heap_alloc<Farewell>(&lines, "heap");
    (void)scope.defer_sync([&] { lines.push_back("finalizer"); });
    auto token = Obligation::reserve(cx, ObligationKind::Lease).value();
    (void)scope.launch(cx, panicking, std::string("p"));
    co_await cx.sleep(1h);
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, CollectAll{}, body)).is_panicked());
  EXPECT_EQ(lines, (Lines{"finalizer", "heap"}));
  EXPECT_EQ(metrics->live_obligations(), 0);
  EXPECT_EQ(metrics->count(MetricKind::ObligationDischarged), 1u);
}

// ---- P4: switched off ----

TEST_F(Isolated, P4_without_task_isolation_block_on_drains_and_rethrows) {
  Runtime runtime = Runtime::builder()
                        .workers(2)
                        .panic_isolation({.capture_backtraces = false, .isolate_task_panics = false})
                        .build();
  std::atomic<bool> drained{false};
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto child = [](Cx mine, std::atomic<bool>* out) -> Task<> {
      (void)co_await mine.sleep(1h).outcome();
      *out = true;
    };
    (void)scope.spawn(cx, child, unsafe_send(&drained)).value();
    (void)scope.launch(cx, panicking, std::string("goes on"));
    co_await cx.sleep(1h);
  };
  try {
    (void)runtime.block_on(body);
    ADD_FAILURE() << "nothing was rethrown";
  } catch (const std::runtime_error& error) { EXPECT_STREQ(error.what(), "goes on"); }
  EXPECT_TRUE(drained);
  auto quiet = [](Cx, Scope<>&) -> Task<int> { co_return 1; };
  EXPECT_EQ(runtime.block_on(quiet).value(), 1) << "thrown once";
}

TEST_F(Isolated, P4_each_block_on_rethrows_its_own) {
  Runtime runtime = Runtime::builder()
                        .workers(2)
                        .panic_isolation({.capture_backtraces = false, .isolate_task_panics = false})
                        .build();
  std::latch inside(1), thrown(1);
  std::thread quiet([&] {
    auto body = [&](Cx, Scope<>&) -> Task<int> {
      inside.count_down();
      thrown.wait();
      co_return 1;
    };
    EXPECT_NO_THROW(EXPECT_EQ(runtime.block_on(body).value(), 1));
  });
  inside.wait();
  auto body = [&](Cx, Scope<>&) -> Task<> {
    auto opens = [&] { thrown.count_down(); };
    struct AtEnd {
      decltype(opens)& run;
      ~AtEnd() { run(); }
    } at_end{opens};
    throw std::runtime_error("mine");
    co_return;
  };
  EXPECT_THROW((void)runtime.block_on(body), std::runtime_error);
  quiet.join();
}

TEST_F(Isolated, P4_finalizer_isolation_is_switched_off_on_its_own) {
  Runtime runtime = Runtime::builder()
                        .workers(1)
                        .panic_isolation({.capture_backtraces = false, .isolate_finalizer_panics = false})
                        .build();
  bool other_ran = false;
  auto task_panics = [&](Cx cx, Scope<>& scope) -> Task<> {
    (void)scope.launch(cx, panicking, std::string("isolated"));
    co_return;
  };
  EXPECT_TRUE(runtime.block_on(task_panics).is_panicked());
  auto finalizer_panics = [&](Cx, Scope<>& scope) -> Task<> {
    (void)scope.defer_sync([&] { other_ran = true; });
    (void)scope.defer_sync([] { throw std::logic_error("not isolated"); });
    co_return;
  };
  EXPECT_THROW((void)runtime.block_on(finalizer_panics), std::logic_error);
  EXPECT_TRUE(other_ran);
}

TEST_F(Isolated, P4_at_the_isolator_the_exception_goes_on_to_the_caller) {
  PanicIsolator isolator(PanicIsolationConfig{.capture_backtraces = false, .isolate_task_panics = false},
                         metrics, log);
  EXPECT_THROW((void)isolator.isolate_task_execution({1, 1}, {1, 1}, 1, [] { throw std::runtime_error("x"); }),
               std::runtime_error);
  EXPECT_TRUE(
      isolator.isolate_finalizer_execution({1, 1}, FinalizerType::Sync, [] { throw std::runtime_error("x"); })
          .is_panicked());
  EXPECT_EQ(metrics->count(MetricKind::Panic), 1u);
}

TEST_F(Isolated, P4_stack_traces_are_off_by_default_in_release_builds) {
  EXPECT_EQ(PanicIsolationConfig{}.capture_backtraces, detail::is_debug_build());
  Bench<> bench(options({.capture_backtraces = true}));
  (void)bench.scope.spawn(bench.cx, panicking, std::string("p")).value();
  bench.stepper.run_until_idle();
  EXPECT_TRUE(log->panics().at(0).fields.contains("backtrace"));
}

// ---- P5: logged, counted, convertible ----

TEST_F(Isolated, P5_the_outcome_has_the_id_in_its_message) {
  Bench<CollectAll> bench(options());
  auto handle = bench.scope.spawn(bench.cx, panicking, std::string("what")).value();
  Outcome<> outcome = bench.stepper.run(handle.join(bench.cx));
  ASSERT_TRUE(outcome.is_panicked());
  EXPECT_EQ(outcome.panic().message(), "panic-0.0.0-1: what");
  EXPECT_EQ(log->panics().at(0).fields["panic_id"], "panic-0.0.0-1");
  EXPECT_THROW(std::rethrow_exception(outcome.panic().exception()), std::runtime_error);
}

TEST_F(Isolated, P5_what_is_no_exception_and_no_string_is_an_unknown_panic) {
  Bench<CollectAll> bench(options());
  auto odd = [](Cx) -> Task<> {
    throw 42;
    co_return;
  };
  auto text = [](Cx) -> Task<> {
    throw std::string("a string");
    co_return;
  };
  auto first = bench.scope.spawn(bench.cx, odd).value();
  EXPECT_EQ(bench.stepper.run(first.join(bench.cx)).panic().message(), "panic-0.0.0-1: unknown panic");
  auto second = bench.scope.spawn(bench.cx, text).value();
  EXPECT_EQ(bench.stepper.run(second.join(bench.cx)).panic().message(), "panic-0.0.1-2: a string");
}

TEST_F(Isolated, P5_a_jobs_panic_is_its_tasks) {
  auto counts = std::make_shared<InMemoryMetrics>();
  Runtime runtime = Runtime::builder().workers(1).metrics(counts).build();
  auto body = [](Cx cx, Scope<CollectAll>& scope) -> Task<> {
    auto handle = scope.spawn_blocking(cx, [](Cx) -> int { throw std::runtime_error("on the pool"); }).value();
    auto outcome = co_await handle.join(cx).outcome();
    EXPECT_TRUE(outcome.is_panicked());
    EXPECT_NE(outcome.panic().message().find("on the pool"), std::string::npos);
  };
  EXPECT_TRUE(runtime.block_on<CollectAll>(body).is_panicked());
  EXPECT_EQ(counts->panics("task_execution"), 1u);
  EXPECT_EQ(runtime.stats().panics_isolated, 1u);
}

/// Throws from everything that it is told.
struct Hostile final : MetricsProvider {
  static inline std::atomic<int> told{0};
  [[noreturn]] static void refuse() {
    ++told;
    throw std::runtime_error("the provider");
  }
  void task_spawned(RegionId, TaskId) override { refuse(); }
  void task_completed(TaskId, OutcomeKind, Duration) override { refuse(); }
  void region_created(RegionId, std::optional<RegionId>) override { refuse(); }
  void region_closed(RegionId, Duration) override { refuse(); }
  void cancellation_requested(RegionId, CancelKind) override { refuse(); }
  void drain_completed(RegionId, Duration) override { refuse(); }
  void deadline_set(RegionId, Time) override { refuse(); }
  void deadline_exceeded(RegionId) override { refuse(); }
  void deadline_warning(RegionId, Duration) override { refuse(); }
  void deadline_violation(RegionId, Duration) override { refuse(); }
  void deadline_remaining(RegionId, Duration) override { refuse(); }
  void checkpoint_interval(TaskId, Duration) override { refuse(); }
  void obligation_created(RegionId) override { refuse(); }
  void obligation_discharged(RegionId) override { refuse(); }
  void obligation_leaked(RegionId) override { refuse(); }
  void panic(std::string_view) override { refuse(); }
  void escalated(TaskId) override { refuse(); }
};

TEST(Panics, P5_a_provider_that_throws_changes_nothing) {
  Hostile::told = 0;
  std::optional<Obligation> leaked;
  Bench<> bench(StepperOptions{.metrics = std::make_shared<Hostile>()});
  auto body = [&](Cx cx, Scope<CollectAll>& scope) -> Task<int> {
    leaked = Obligation::reserve(cx, ObligationKind::Ack).value();
    auto token = Obligation::reserve(cx, ObligationKind::Ack).value();
    (void)scope.launch(cx, panicking, std::string("p"));
    auto stubborn = [](Cx mine) -> Task<> {
      MaskGuard mask = mine.mask();
      (void)co_await mine.sleep(1h).outcome();
      co_await mine.sleep(1h);
    };
    (void)scope.spawn(cx, stubborn).value();
    (void)co_await cx.sleep(1h).outcome();
    (void)cx.checkpoint();
    (void)cx.checkpoint();
    co_return 7;
  };
  auto options = RegionOptions()
                     .with_budget(Budget::infinite().with_deadline(Time::zero() + 1s))
                     .with_cleanup(CleanupBudget{100, 1s})
                     .bounded();
  EXPECT_TRUE(bench.run(bench.scope.region_with(bench.cx, options, CollectAll{}, body)).is_panicked());
  EXPECT_GT(Hostile::told, 15);
}

}  // namespace
}  // namespace quiesce::semantics
