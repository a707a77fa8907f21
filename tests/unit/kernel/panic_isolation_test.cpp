#include "quiesce/panic_isolation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "quiesce/log.hpp"
#include "quiesce/metrics_memory.hpp"

// Out of the anonymous namespace and not inlined, so that a stack trace can name it.
[[gnu::noinline]] quiesce::PanicIsolationResult<int> panic_test_catch_point(quiesce::PanicIsolator& isolator) {
  auto result = isolator.isolate_task_execution(quiesce::TaskId{1, 1}, quiesce::RegionId{1, 1}, 1,
                                                []() -> int { throw std::runtime_error("traced"); });
  return result;
}

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr RegionId region{4, 1};
constexpr RegionId other_region{5, 1};
constexpr TaskId task{9, 2};
constexpr ObligationId obligation{7, 3};

PanicIsolationConfig quiet(std::optional<std::uint32_t> threshold = 10) {
  PanicIsolationConfig config;
  config.capture_backtraces = false;
  config.panic_threshold_per_region = threshold;
  return config;
}

template <class Thrown = std::runtime_error>
PanicContext panic_in(PanicIsolator& isolator, RegionId where, Thrown thrown = Thrown("boom")) {
  return isolator.isolate_task_execution(task, where, 1, [&] { throw thrown; }).panic_context();
}

struct ManualClock {
  Time time = Time::zero();
  [[nodiscard]] PanicClock handle() {
    return PanicClock{[](void* self) { return static_cast<ManualClock*>(self)->time; }, this};
  }
};

// ---- What a result is ----

TEST(PanicIsolation, a_value_comes_through_and_nothing_is_counted) {
  PanicIsolator isolator(quiet());
  auto result = isolator.isolate_task_execution(task, region, 1, [] { return std::make_unique<int>(41); });
  ASSERT_TRUE(result.is_success());
  EXPECT_FALSE(result.is_panicked());
  EXPECT_FALSE(result.is_skipped());
  EXPECT_EQ(*std::move(result).into_success(), 41);
  EXPECT_EQ(isolator.isolated_total(), 0U);
  EXPECT_EQ(isolator.counted_regions(), 0U);
}

TEST(PanicIsolation, an_operation_without_a_value_succeeds) {
  PanicIsolator isolator(quiet());
  int runs = 0;
  auto result = isolator.isolate_region_cleanup(region, CleanupPhase::StateTransition, [&] { ++runs; });
  ASSERT_TRUE(result.is_success());
  std::move(result).into_success();
  EXPECT_EQ(runs, 1);
}

TEST(PanicIsolation, the_message_is_what_was_thrown) {
  PanicIsolator isolator(quiet());
  EXPECT_EQ(panic_in(isolator, region, std::runtime_error("disk gone")).panic_message, "disk gone");
  EXPECT_EQ(panic_in(isolator, region, std::string("a string")).panic_message, "a string");
  EXPECT_EQ(panic_in(isolator, region, static_cast<const char*>("a literal")).panic_message, "a literal");
  EXPECT_EQ(panic_in(isolator, region, 7).panic_message, "unknown panic");
}

TEST(PanicIsolation, the_exception_itself_is_kept) {
  PanicIsolator isolator(quiet());
  const PanicContext context = panic_in(isolator, region, std::out_of_range("index 9"));
  EXPECT_THROW(std::rethrow_exception(context.exception), std::out_of_range);
}

TEST(PanicIsolation, asking_for_what_a_result_does_not_hold_says_what_it_holds) {
  PanicIsolator isolator(quiet());
  auto panicked =
      isolator.isolate_task_execution(task, region, 1, []() -> int { throw std::runtime_error("boom"); });
  EXPECT_THROW((void)panicked.skip_reason(), std::logic_error);
  try {
    (void)std::move(panicked).into_success();
    FAIL() << "a panic has no value";
  } catch (const std::logic_error& error) { EXPECT_THAT(error.what(), HasSubstr("isolated panic: boom")); }
  auto fine = isolator.isolate_task_execution(task, region, 1, [] { return 1; });
  EXPECT_THROW((void)fine.panic_context(), std::logic_error);
  EXPECT_THROW((void)fine.skip_reason(), std::logic_error);
}

// ---- Locations ----

TEST(PanicIsolation, each_location_prints_and_carries_its_ids) {
  auto metrics = std::make_shared<InMemoryMetrics>();
  PanicIsolator isolator(quiet(), metrics);
  const auto boom = [] { throw std::runtime_error("boom"); };
  struct Expected {
    PanicContext context;
    std::string printed;
    std::string_view tag;
    std::optional<RegionId> region_id;
    std::optional<TaskId> task_id;
    std::optional<ObligationId> obligation_id;
  };
  const std::vector<Expected> cases = {
      {isolator.isolate_task_execution(task, region, 3, boom).panic_context(),
       "TaskExecution(task=T9.2, region=R4.1, poll=3)", "task_execution", region, task, std::nullopt},
      {isolator.isolate_finalizer_execution(region, FinalizerType::Sync, boom).panic_context(),
       "FinalizerExecution(region=R4.1, type=Sync)", "finalizer_execution", region, std::nullopt, std::nullopt},
      {isolator.isolate_finalizer_execution(region, FinalizerType::Async, boom).panic_context(),
       "FinalizerExecution(region=R4.1, type=Async)", "finalizer_execution", region, std::nullopt,
       std::nullopt},
      {isolator.isolate_finalizer_execution(region, FinalizerType("flush"), boom).panic_context(),
       "FinalizerExecution(region=R4.1, type=flush)", "finalizer_execution", region, std::nullopt,
       std::nullopt},
      {isolator.isolate_region_cleanup(region, CleanupPhase::Finalizers, boom).panic_context(),
       "RegionCleanup(region=R4.1, phase=Finalizers)", "region_cleanup", region, std::nullopt, std::nullopt},
      {isolator.isolate_region_cleanup(region, CleanupPhase::ObligationResolution, boom).panic_context(),
       "RegionCleanup(region=R4.1, phase=ObligationResolution)", "region_cleanup", region, std::nullopt,
       std::nullopt},
      {isolator.isolate_region_cleanup(region, CleanupPhase::ResourceCleanup, boom).panic_context(),
       "RegionCleanup(region=R4.1, phase=ResourceCleanup)", "region_cleanup", region, std::nullopt,
       std::nullopt},
      {isolator.isolate_region_cleanup(region, CleanupPhase::StateTransition, boom).panic_context(),
       "RegionCleanup(region=R4.1, phase=StateTransition)", "region_cleanup", region, std::nullopt,
       std::nullopt},
      {isolator.isolate_obligation_handling(obligation, region, boom).panic_context(),
       "ObligationHandling(obligation=O7.3, region=R4.1)", "obligation_handling", region, std::nullopt,
       obligation},
      {isolator.isolate_scheduler_operation(2, "steal", boom).panic_context(),
       "SchedulerInternal(worker=2, op=steal)", "scheduler_internal", std::nullopt, std::nullopt, std::nullopt},
      {isolator.isolate_scheduler_operation(std::nullopt, "timers", boom).panic_context(),
       "SchedulerInternal(worker=unknown, op=timers)", "scheduler_internal", std::nullopt, std::nullopt,
       std::nullopt},
  };
  for (const Expected& expected : cases) {
    EXPECT_EQ(to_string(expected.context.location), expected.printed);
    EXPECT_EQ(expected.context.location.tag(), expected.tag) << expected.printed;
    EXPECT_EQ(expected.context.region_id, expected.region_id) << expected.printed;
    EXPECT_EQ(expected.context.task_id, expected.task_id) << expected.printed;
    EXPECT_EQ(expected.context.obligation_id, expected.obligation_id) << expected.printed;
  }
  EXPECT_EQ(metrics->panics("task_execution"), 1U);
  EXPECT_EQ(metrics->panics("finalizer_execution"), 3U);
  EXPECT_EQ(metrics->panics("region_cleanup"), 4U);
  EXPECT_EQ(metrics->panics("obligation_handling"), 1U);
  EXPECT_EQ(metrics->panics("scheduler_internal"), 2U);
  EXPECT_EQ(isolator.panic_count(region), 9U);
  EXPECT_EQ(isolator.isolated_total(), 11U);
}

TEST(PanicIsolation, a_location_can_be_taken_apart) {
  const PanicLocation location = PanicLocation::ObligationHandling{obligation, region};
  ASSERT_NE(location.get_if<PanicLocation::ObligationHandling>(), nullptr);
  EXPECT_EQ(location.get_if<PanicLocation::ObligationHandling>()->obligation, obligation);
  EXPECT_EQ(location.get_if<PanicLocation::TaskExecution>(), nullptr);
  EXPECT_EQ(location, PanicLocation(PanicLocation::ObligationHandling{obligation, region}));
  EXPECT_NE(location, PanicLocation(PanicLocation::ObligationHandling{obligation, other_region}));
}

// ---- Ids, time, outcome ----

TEST(PanicIsolation, ids_are_unique_and_carry_the_logical_path) {
  PanicIsolator isolator(quiet());
  const auto boom = [] { throw std::runtime_error("boom"); };
  EXPECT_EQ(panic_in(isolator, region).panic_id, "panic-1");
  EXPECT_EQ(isolator.isolate_task_execution(task, region, 1, boom, "0.3.1").panic_context().panic_id,
            "panic-0.3.1-2");
  EXPECT_EQ(isolator.isolate_scheduler_operation(0, "steal", boom).panic_context().panic_id, "panic-3");
}

TEST(PanicIsolation, the_timestamp_is_the_clocks) {
  ManualClock clock;
  PanicIsolator isolator(quiet(), nullptr, nullptr, clock.handle());
  clock.time = Time::from_nanos(1500);
  EXPECT_EQ(panic_in(isolator, region).timestamp, Time::from_nanos(1500));
}

TEST(PanicIsolation, the_default_clock_is_monotonic_from_zero) {
  PanicIsolator isolator(quiet());
  const PanicContext first = panic_in(isolator, region);
  const PanicContext second = panic_in(isolator, region);
  EXPECT_GE(first.timestamp, Time::zero());
  EXPECT_GE(second.timestamp, first.timestamp);
}

TEST(PanicIsolation, converts_to_a_panicked_outcome_with_the_id_in_the_message) {
  PanicIsolator isolator(quiet());
  const Outcome<> outcome = panic_to_outcome(panic_in(isolator, region, std::out_of_range("index 9")));
  ASSERT_TRUE(outcome.is_panicked());
  EXPECT_EQ(outcome.panic().message(), "panic-1: index 9");
  EXPECT_EQ(outcome.panic().id(), "panic-1");
  EXPECT_THROW(std::rethrow_exception(outcome.panic().exception()), std::out_of_range);
}

TEST(PanicIsolation, a_result_becomes_an_outcome) {
  PanicIsolator isolator(quiet(1));
  EXPECT_EQ(isolator.isolate_task_execution(task, region, 1, [] { return 5; }).into_outcome().value(), 5);
  EXPECT_TRUE(isolator.isolate_task_execution(task, region, 1, [] {}).into_outcome().is_ok());
  const auto boom = []() -> int { throw std::runtime_error("boom"); };
  EXPECT_THAT(isolator.isolate_task_execution(task, region, 1, boom).into_outcome().panic().message(),
              HasSubstr("boom"));
  EXPECT_THAT(isolator.isolate_task_execution(task, region, 1, boom).into_outcome().panic().message(),
              HasSubstr("region R4.1 exceeded panic threshold 1 with 1 isolated panics"));
}

// ---- Thresholds ----

TEST(PanicIsolation, past_the_threshold_operations_of_the_region_are_skipped_and_not_run) {
  auto metrics = std::make_shared<InMemoryMetrics>();
  PanicIsolator isolator(quiet(3), metrics);
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(panic_in(isolator, region).reached_threshold, i == 3) << i;

  int runs = 0;
  const auto count = [&] { ++runs; };
  const std::string reason = "region R4.1 exceeded panic threshold 3 with 3 isolated panics";
  auto skipped = isolator.isolate_task_execution(task, region, 1, count);
  ASSERT_TRUE(skipped.is_skipped());
  EXPECT_FALSE(skipped.is_panicked());
  EXPECT_EQ(skipped.skip_reason(), reason);
  EXPECT_EQ(to_string(skipped.skip_reason()), reason);
  EXPECT_EQ(skipped.panic_context().panic_message, reason);
  EXPECT_EQ(skipped.panic_context().panic_id, "panic-4");
  EXPECT_EQ(skipped.panic_context().task_id, task);
  EXPECT_EQ(skipped.panic_context().exception, nullptr);
  EXPECT_TRUE(isolator.isolate_finalizer_execution(region, FinalizerType::Sync, count).is_skipped());
  EXPECT_TRUE(isolator.isolate_region_cleanup(region, CleanupPhase::Finalizers, count).is_skipped());
  EXPECT_TRUE(isolator.isolate_obligation_handling(obligation, region, count).is_skipped());
  EXPECT_EQ(runs, 0);

  EXPECT_TRUE(isolator.isolate_task_execution(task, other_region, 1, count).is_success());
  EXPECT_TRUE(isolator.isolate_scheduler_operation(0, "steal", count).is_success());
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(isolator.panic_count(region), 3U);
  EXPECT_EQ(isolator.isolated_total(), 3U);
  EXPECT_EQ(isolator.skipped_total(), 4U);
  EXPECT_EQ(metrics->count(MetricKind::Panic), 3U) << "a skip is no panic";
}

TEST(PanicIsolation, the_default_threshold_is_ten) {
  PanicIsolationConfig config;
  EXPECT_EQ(config.panic_threshold_per_region, 10U);
  config.capture_backtraces = false;
  PanicIsolator isolator(config);
  for (int i = 0; i < 9; ++i) (void)panic_in(isolator, region);
  EXPECT_EQ(isolator.should_skip(region), std::nullopt);
  (void)panic_in(isolator, region);
  EXPECT_NE(isolator.should_skip(region), std::nullopt);
}

TEST(PanicIsolation, scheduler_operations_are_never_skipped_and_count_in_no_region) {
  PanicIsolator isolator(quiet(1));
  for (int i = 0; i < 5; ++i) {
    auto result = isolator.isolate_scheduler_operation(1, "steal", [] { throw 1; });
    EXPECT_TRUE(result.is_panicked());
    EXPECT_FALSE(result.panic_context().reached_threshold);
  }
  EXPECT_EQ(isolator.counted_regions(), 0U);
  EXPECT_EQ(isolator.should_skip(region), std::nullopt);
}

TEST(PanicIsolation, without_a_threshold_nothing_is_skipped) {
  PanicIsolator isolator(quiet(std::nullopt));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(panic_in(isolator, region).reached_threshold);
  EXPECT_EQ(isolator.panic_count(region), 100U);
  EXPECT_TRUE(isolator.isolate_task_execution(task, region, 1, [] {}).is_success());
}

TEST(PanicIsolation, a_threshold_of_zero_skips_from_the_start) {
  PanicIsolator isolator(quiet(0));
  auto result = isolator.isolate_task_execution(task, region, 1, [] { FAIL() << "must not run"; });
  ASSERT_TRUE(result.is_skipped());
  EXPECT_EQ(result.skip_reason(), "region R4.1 exceeded panic threshold 0 with 0 isolated panics");
  isolator.forget_region(region);
  EXPECT_TRUE(isolator.isolate_task_execution(task, region, 1, [] {}).is_skipped());
}

TEST(PanicIsolation, panics_of_operations_already_running_are_counted_past_the_threshold) {
  PanicIsolator isolator(quiet(2));
  const PanicLocation where = PanicLocation::TaskExecution{task, region, 1};
  const auto thrown = std::make_exception_ptr(std::runtime_error("boom"));
  EXPECT_FALSE(isolator.record(where, thrown).reached_threshold);
  EXPECT_TRUE(isolator.record(where, thrown).reached_threshold);
  EXPECT_FALSE(isolator.record(where, thrown).reached_threshold) << "reached once only";
  ASSERT_TRUE(isolator.should_skip(region).has_value());
  EXPECT_EQ(*isolator.should_skip(region), "region R4.1 exceeded panic threshold 2 with 3 isolated panics");
}

TEST(PanicIsolation, forgetting_a_region_drops_its_count) {
  PanicIsolator isolator(quiet(1));
  (void)panic_in(isolator, region);
  (void)panic_in(isolator, other_region);
  EXPECT_EQ(isolator.counted_regions(), 2U);
  isolator.forget_region(region);
  EXPECT_EQ(isolator.counted_regions(), 1U);
  EXPECT_EQ(isolator.panic_count(region), 0U);
  EXPECT_EQ(isolator.should_skip(region), std::nullopt);
  EXPECT_NE(isolator.should_skip(other_region), std::nullopt);
  isolator.forget_region(other_region);
  EXPECT_EQ(isolator.counted_regions(), 0U);
  EXPECT_TRUE(panic_in(isolator, region).reached_threshold) << "the next life of the count begins at zero";
  EXPECT_NE(isolator.should_skip(region), std::nullopt);
}

TEST(PanicIsolation, a_stale_generation_has_a_count_of_its_own) {
  PanicIsolator isolator(quiet(1));
  (void)panic_in(isolator, region);
  EXPECT_EQ(isolator.should_skip(RegionId{region.index, region.generation + 1}), std::nullopt);
}

TEST(PanicIsolation, a_window_lets_a_calmed_region_run_again) {
  ManualClock clock;
  PanicIsolationConfig config = quiet(2);
  config.threshold_window = 10s;
  PanicIsolator isolator(config, nullptr, nullptr, clock.handle());
  EXPECT_FALSE(panic_in(isolator, region).reached_threshold);
  clock.time = Time::zero() + 9s;
  EXPECT_TRUE(panic_in(isolator, region).reached_threshold);
  EXPECT_EQ(*isolator.should_skip(region), "region R4.1 exceeded panic threshold 2 with 2 isolated panics");

  clock.time = Time::zero() + 10s;  // the first has just left the window
  EXPECT_EQ(isolator.should_skip(region), std::nullopt);
  EXPECT_TRUE(panic_in(isolator, region).reached_threshold) << "9 s and 10 s are within one window";
  clock.time = Time::zero() + 19s;
  EXPECT_EQ(isolator.should_skip(region), std::nullopt);
  EXPECT_EQ(isolator.panic_count(region), 3U);
}

TEST(PanicIsolation, panics_further_apart_than_the_window_never_reach_the_threshold) {
  ManualClock clock;
  PanicIsolationConfig config = quiet(2);
  config.threshold_window = 1s;
  PanicIsolator isolator(config, nullptr, nullptr, clock.handle());
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(panic_in(isolator, region).reached_threshold) << i;
    clock.time += 1s;
  }
}

TEST(PanicIsolation, a_window_that_is_not_positive_is_refused) {
  PanicIsolationConfig config = quiet();
  config.threshold_window = 0s;
  EXPECT_THROW(PanicIsolator{config}, std::invalid_argument);
}

// ---- Switched off ----

TEST(PanicIsolation, task_isolation_switched_off_lets_the_exception_go_on) {
  PanicIsolationConfig config = quiet(1);
  config.isolate_task_panics = false;
  PanicIsolator isolator(config);
  const auto boom = [] { throw std::runtime_error("boom"); };
  EXPECT_THROW((void)isolator.isolate_task_execution(task, region, 1, boom), std::runtime_error);
  EXPECT_EQ(isolator.isolated_total(), 0U);
  EXPECT_TRUE(isolator.isolate_finalizer_execution(region, FinalizerType::Sync, boom).is_panicked());
  EXPECT_TRUE(isolator.isolate_task_execution(task, region, 1, [] {}).is_success())
      << "not isolated, so not skipped";
}

TEST(PanicIsolation, finalizer_isolation_switched_off_lets_the_exception_go_on) {
  PanicIsolationConfig config = quiet();
  config.isolate_finalizer_panics = false;
  PanicIsolator isolator(config);
  const auto boom = [] { throw std::runtime_error("boom"); };
  EXPECT_THROW((void)isolator.isolate_finalizer_execution(region, FinalizerType::Async, boom),
               std::runtime_error);
  EXPECT_TRUE(isolator.isolate_task_execution(task, region, 1, boom).is_panicked());
  EXPECT_TRUE(isolator.isolate_region_cleanup(region, CleanupPhase::Finalizers, boom).is_panicked());
}

// ---- Log and metrics ----

TEST(PanicIsolation, a_panic_is_logged_with_all_its_ids) {
  auto log = std::make_shared<MemoryLogSink>();
  PanicIsolator isolator(quiet(2), nullptr, log);
  const auto boom = [] { throw std::runtime_error("boom"); };
  (void)isolator.isolate_task_execution(task, region, 3, boom, "0.3.1");
  (void)isolator.isolate_obligation_handling(obligation, region, boom);
  const auto records = log->records();
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[0].level, LogLevel::Error);
  EXPECT_EQ(records[0].message, "panic isolated");
  EXPECT_EQ(records[0].field("panic_id"), "panic-0.3.1-1");
  EXPECT_EQ(records[0].field("location"), "TaskExecution(task=T9.2, region=R4.1, poll=3)");
  EXPECT_EQ(records[0].field("region"), "R4.1");
  EXPECT_EQ(records[0].field("task"), "T9.2");
  EXPECT_EQ(records[0].field("logical"), "0.3.1");
  EXPECT_EQ(records[0].field("message"), "boom");
  EXPECT_EQ(records[1].field("obligation"), "O7.3");
  EXPECT_EQ(records[2].level, LogLevel::Warn);
  EXPECT_THAT(records[2].message, HasSubstr("reached its panic threshold"));
  EXPECT_EQ(records[2].field("region"), "R4.1");
  EXPECT_EQ(records[2].field("threshold"), "2");
}

TEST(PanicIsolation, logging_can_be_switched_off) {
  auto log = std::make_shared<MemoryLogSink>();
  PanicIsolationConfig config = quiet(1);
  config.enable_panic_logging = false;
  PanicIsolator isolator(config, nullptr, log);
  EXPECT_TRUE(panic_in(isolator, region).reached_threshold);
  EXPECT_EQ(log->size(), 0U);
}

struct ThrowingMetrics final : MetricsProvider {
  std::atomic<int> calls{0};
  void panic(std::string_view) override {
    ++calls;
    throw std::runtime_error("metrics are broken");
  }
};

struct ThrowingSink final : LogSink {
  std::atomic<int> calls{0};

 private:
  void do_write(LogLevel, std::string_view, std::span<const LogField>) override {
    ++calls;
    throw std::runtime_error("the log is broken");
  }
};

TEST(PanicIsolation, what_the_provider_the_sink_and_the_clock_throw_stays_inside) {
  auto metrics = std::make_shared<ThrowingMetrics>();
  auto log = std::make_shared<ThrowingSink>();
  const PanicClock clock{[](void*) -> Time { throw std::runtime_error("the clock is broken"); }, nullptr};
  PanicIsolator isolator(quiet(), metrics, log, clock);
  const PanicContext context = panic_in(isolator, region);
  EXPECT_EQ(context.panic_message, "boom");
  EXPECT_EQ(context.timestamp, Time::zero());
  EXPECT_EQ(metrics->calls.load(), 1);
  EXPECT_EQ(log->calls.load(), 1);
}

// The sink and the provider may come back to the isolator: no lock is held while they run.
struct ReentrantMetrics final : MetricsProvider {
  PanicIsolator* isolator = nullptr;
  std::uint64_t seen = 0;
  void panic(std::string_view) override { seen = isolator->panic_count(region); }
};

TEST(PanicIsolation, no_lock_is_held_while_the_provider_runs) {
  auto metrics = std::make_shared<ReentrantMetrics>();
  PanicIsolator isolator(quiet(), metrics);
  metrics->isolator = &isolator;
  (void)panic_in(isolator, region);
  EXPECT_EQ(metrics->seen, 1U);
}

// ---- Stack traces ----

TEST(PanicIsolation, a_trace_names_the_function_that_caught) {
  PanicIsolationConfig config;
  config.capture_backtraces = true;
  PanicIsolator isolator(config);
  const auto result = panic_test_catch_point(isolator);
  ASSERT_TRUE(result.panic_context().backtrace.has_value());
  EXPECT_THAT(*result.panic_context().backtrace, HasSubstr("panic_test_catch_point"));
  EXPECT_THAT(panic_to_outcome(result.panic_context()).panic().stack_trace(),
              HasSubstr("panic_test_catch_point"));
}

TEST(PanicIsolation, traces_can_be_switched_off) {
  PanicIsolator isolator(quiet());
  EXPECT_EQ(panic_test_catch_point(isolator).panic_context().backtrace, std::nullopt);
}

TEST(PanicIsolation, traces_taken_on_many_threads_are_whole) {
  std::vector<std::string> traces(4);
  std::vector<std::jthread> threads;
  std::latch start(4);
  for (std::string& trace : traces) {
    threads.emplace_back([&trace, &start] {
      start.arrive_and_wait();
      trace = detail::capture_stack_trace();
    });
  }
  threads.clear();
  for (const std::string& trace : traces) EXPECT_THAT(trace, testing::StartsWith("#0 "));
}

// ---- The parts, and many threads ----

TEST(PanicIsolation, the_parts_do_what_the_whole_does) {
  PanicIsolator isolator(quiet(1));
  EXPECT_EQ(isolator.should_skip(region), std::nullopt);
  PanicContext context = isolator.record(PanicLocation::FinalizerExecution{region, FinalizerType::Async},
                                         std::make_exception_ptr(7), "0.2");
  EXPECT_EQ(context.panic_id, "panic-0.2-1");
  EXPECT_EQ(context.panic_message, "unknown panic");
  EXPECT_TRUE(context.reached_threshold);
  const std::optional<SkipReason> reason = isolator.should_skip(region);
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(*reason, (SkipReason{region, 1, 1}));
  context = isolator.record_skip(PanicLocation::TaskExecution{task, region, 1}, *reason, "0.2.1");
  EXPECT_EQ(context.panic_id, "panic-0.2.1-2");
  EXPECT_EQ(context.panic_message, reason->text());
  static_assert(noexcept(isolator.record(std::declval<PanicLocation>(), nullptr)));
}

TEST(PanicIsolation, a_context_prints_in_one_line) {
  ManualClock clock;
  PanicIsolator isolator(quiet(), nullptr, nullptr, clock.handle());
  std::ostringstream out;
  out << panic_in(isolator, region);
  EXPECT_THAT(out.str(),
              testing::AllOf(testing::StartsWith("panic-1 in TaskExecution(task=T9.2, region=R4.1, poll=1)"),
                             testing::EndsWith(": boom")));
}

TEST(PanicIsolation, counts_are_exact_when_every_thread_panics) {
  constexpr int threads_count = 4;
  constexpr int rounds = 500;
  auto metrics = std::make_shared<InMemoryMetrics>();
  PanicIsolator isolator(quiet(std::nullopt), metrics);
  PanicIsolator limited(quiet(7));
  std::mutex mutex;
  std::set<std::string> ids;
  std::atomic<int> reached{0};
  std::atomic<int> limited_panics{0};
  std::latch start(threads_count);
  std::vector<std::jthread> threads;
  for (int t = 0; t < threads_count; ++t) {
    threads.emplace_back([&, t] {
      start.arrive_and_wait();
      std::vector<std::string> mine;
      for (int i = 0; i < rounds; ++i) {
        mine.push_back(panic_in(isolator, i % 2 == 0 ? region : other_region).panic_id);
        auto result = limited.isolate_task_execution(task, region, 1, [] { throw 1; });
        limited_panics += result.is_panicked();
        reached += result.is_panicked() && result.panic_context().reached_threshold;
        const RegionId own{100U + static_cast<std::uint32_t>(t), 1};
        (void)panic_in(isolator, own);
        isolator.forget_region(own);
      }
      const std::lock_guard lock(mutex);
      ids.insert(mine.begin(), mine.end());
    });
  }
  threads.clear();
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(threads_count * rounds));
  EXPECT_EQ(isolator.panic_count(region), static_cast<std::uint64_t>(threads_count * rounds / 2));
  EXPECT_EQ(isolator.panic_count(other_region), static_cast<std::uint64_t>(threads_count * rounds / 2));
  EXPECT_EQ(isolator.counted_regions(), 2U);
  EXPECT_EQ(metrics->count(MetricKind::Panic), static_cast<std::uint64_t>(2 * threads_count * rounds));
  EXPECT_EQ(reached.load(), 1);
  EXPECT_GE(limited_panics.load(), 7);
  EXPECT_LE(limited_panics.load(), 7 + threads_count - 1)
      << "at most those that were running when it was reached";
  EXPECT_EQ(limited.skipped_total(),
            static_cast<std::uint64_t>(threads_count * rounds - limited_panics.load()));
}

}  // namespace
}  // namespace quiesce
