// Rule T2, and S8 again: the same seed gives the same run, whatever ran before it in the process.
#include <algorithm>
#include <map>
#include <mutex>
#include <span>
#include <sstream>

#include "quiesce/log.hpp"
#include "support.hpp"

namespace quiesce::semantics {
namespace {

/// Every line that reaches the log, in order.
struct Trace final : LogSink {
  std::string text;
  void do_write(LogLevel level, std::string_view message, std::span<const LogField> fields) override {
    text += std::string(to_string(level)) + " " + format_log_line(message, fields) + "\n";
  }
};

Task<int> worker(Cx cx, Scope<> scope, int depth) {
  cx.trace("begin");
  cx.trace("draw", static_cast<std::int64_t>(cx.random_index(1000)));
  int sum = depth;
  if (depth > 0) {
    std::vector<TaskHandle<int>> handles;
    for (std::uint64_t i = 0, n = 1 + cx.random_index(3); i < n; ++i) {
      handles.push_back(co_await scope.spawn(cx, worker, scope, depth - 1));
    }
    co_await cx.sleep(std::chrono::microseconds(cx.random_index(50)));
    for (auto& handle : handles) sum += co_await handle.join(cx);
  }
  switch (cx.random_index(5)) {
    case 0: co_await cx.yield(); break;
    case 1: co_await cx.sleep(1us); break;
    default: break;
  }
  cx.trace("end", static_cast<std::int64_t>(sum));
  co_return sum;
}

Task<int> racing(Cx cx, int value, std::uint64_t delay) {
  co_await cx.sleep(std::chrono::microseconds(delay));
  co_return value;
}

/// Regions, races, failures, panics, finalizers, deadlines, aborts.
std::string run(std::uint64_t seed) {
  auto trace = std::make_shared<Trace>();
  StepperOptions options;
  options.seed = seed;
  options.log = trace;
  options.panics.capture_backtraces = false;
  std::string outcomes;
  {
    Bench bench(options);
    auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
      auto finalizer = [](Cx mine) -> Task<> {
        mine.trace("finalizer", static_cast<std::int64_t>(mine.random_index(1000)));
        co_await mine.sleep(1us);
      };
      EXPECT_TRUE(scope.defer_async(finalizer));
      EXPECT_TRUE(scope.defer_async(finalizer));
      auto tree = co_await scope.spawn(cx, worker, scope, 3);
      std::vector<TaskHandle<int>> branches;
      for (int i = 0; i < 4; ++i) branches.push_back(co_await scope.spawn(cx, racing, i, cx.random_index(2)));
      auto won = co_await scope.race_all(cx, std::move(branches));
      cx.trace("winner", static_cast<std::int64_t>(won.index));
      auto aborted = co_await scope.spawn(cx, worker, scope, 2);
      co_await cx.yield();
      aborted.abort();
      auto ended = co_await aborted.join(cx).outcome();
      std::ostringstream text;
      text << ended;
      cx.trace("aborted", text.str());
      co_return co_await tree.join(cx);
    };
    auto limited = RegionOptions().with_budget(Budget::infinite().with_deadline(Time::zero() + 1s));
    auto whole = [&](Cx cx, Scope<CollectAll>& scope) -> Task<int> {
      auto panics = co_await scope.spawn(cx, panicking, std::string("on purpose"));
      (void)scope.launch(cx, failing, std::string("on purpose too"));
      auto inner = scope.region_with(cx, limited, FailFast{}, body);
      co_return co_await std::move(inner);
    };
    Outcome<int> outcome = bench.run(bench.scope.region(bench.cx, CollectAll{}, whole));
    std::ostringstream text;
    text << outcome;
    for (const AttachedFailure& failure : outcome.attached()) text << "; " << failure.text;
    auto late = bench.scope.spawn(bench.cx, sleeper).value();
    bench.stepper.run_until_idle();
    bench.stepper.cancel(bench.root, CancelReason::user("the end"));
    text << " / " << bench.stepper.run(late.join(bench.cx)) << " at " << bench.stepper.now().nanos();
    outcomes = text.str();
  }
  return trace->text + outcomes + "\n";
}

/// Slab ids validate access and may differ; the log's panic lines name them beside the paths.
std::string without_slab_ids(std::string text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const bool id = (text[i] == 'T' || text[i] == 'R') && i + 1 < text.size() &&
                    std::isdigit(static_cast<unsigned char>(text[i + 1])) &&
                    (i == 0 || !std::isalnum(static_cast<unsigned char>(text[i - 1])));
    if (!id) {
      out += text[i++];
      continue;
    }
    out += text[i++];
    while (i < text.size() && (std::isdigit(static_cast<unsigned char>(text[i])) || text[i] == '.')) ++i;
  }
  return out;
}

void disturb(int how) {
  Bench bench(StepperOptions{.seed = 99});
  for (int i = 0; i < 100 * how; ++i) (void)bench.scope.spawn(bench.cx, answer, i).value();
  bench.stepper.run_until_idle();
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    for (int i = 0; i < how; ++i) (void)scope.launch(cx, sleeper);
    co_await cx.yield();
    scope.cancel(CancelReason::user("away with it"));
  };
  for (int i = 0; i < how; ++i) (void)bench.run(bench.scope.region(bench.cx, FailFast{}, body));
}

TEST(Determinism, T2_the_same_seed_gives_the_same_trace_whatever_ran_before) {
  for (std::uint64_t seed : {1u, 2u, 3u}) {
    std::string first = without_slab_ids(run(seed));
    EXPECT_GT(first.size(), 1000u);
    for (int how : {1, 3, 7}) {
      disturb(how);
      EXPECT_EQ(without_slab_ids(run(seed)), first) << "seed " << seed << " after disturbance " << how;
    }
  }
}

TEST(Determinism, T2_the_seed_decides) { EXPECT_NE(without_slab_ids(run(1)), without_slab_ids(run(2))); }

TEST(Determinism, T2_two_steppers_at_once_do_not_disturb_each_other) {
  std::string alone = without_slab_ids(run(5));
  Bench other;
  auto waiting = other.scope.spawn(other.cx, sleeper).value();
  other.stepper.run_until_idle();
  EXPECT_EQ(without_slab_ids(run(5)), alone);
  waiting.abort();
  other.stepper.run_until_idle();
}

TEST(Determinism, S8_T2_step_order_by_logical_paths_repeats) {
  auto order = [](std::uint64_t seed) {
    Bench bench(StepperOptions{.seed = seed});
    auto handle = bench.scope.spawn(bench.cx, worker, bench.scope, 4).value();
    Lines steps;
    while (!handle.is_finished()) {
      auto runnable = bench.stepper.runnable();
      if (runnable.empty()) {
        bench.stepper.advance(1us);
        continue;
      }
      steps.push_back(bench.stepper.task(runnable.front())->path);
      bench.stepper.step(runnable.front());
    }
    return steps;
  };
  Lines first = order(7);
  EXPECT_GT(first.size(), 20u);
  disturb(5);
  EXPECT_EQ(order(7), first);
}

TEST(Determinism, T2_random_draws_repeat_and_do_not_depend_on_the_order_of_steps) {
  auto draws = [](bool newest_first) {
    Bench bench(StepperOptions{.seed = 3});
    std::map<std::string, std::vector<std::uint64_t>> drawn;
    auto child = [](Cx cx, std::map<std::string, std::vector<std::uint64_t>>* out) -> Task<> {
      for (int i = 0; i < 3; ++i) {
        (*out)[cx.path()].push_back(cx.random_u64());
        co_await cx.yield();
      }
    };
    for (int i = 0; i < 4; ++i) (void)bench.scope.spawn(bench.cx, child, unsafe_send(&drawn)).value();
    for (auto runnable = bench.stepper.runnable(); !runnable.empty(); runnable = bench.stepper.runnable()) {
      bench.stepper.step(newest_first ? runnable.back() : runnable.front());
    }
    return drawn;
  };
  EXPECT_EQ(draws(false), draws(true)) << "entropy is split, not shared";
}

TEST(Determinism, T2_time_advances_only_when_nothing_can_run) {
  Bench bench;
  auto busy = [](Cx cx) -> Task<> {
    for (int i = 0; i < 1000; ++i) {
      EXPECT_EQ(cx.now(), Time::zero());
      co_await cx.yield();
    }
  };
  auto sleeping = bench.scope.spawn(bench.cx, [](Cx cx) -> Task<> { co_await cx.sleep(1ns); }).value();
  auto working = bench.scope.spawn(bench.cx, busy).value();
  EXPECT_TRUE(bench.stepper.run(working.join(bench.cx)).is_ok());
  EXPECT_EQ(bench.stepper.now(), Time::zero());
  EXPECT_FALSE(sleeping.is_finished());
  EXPECT_TRUE(bench.stepper.run(sleeping.join(bench.cx)).is_ok());
  EXPECT_EQ(bench.stepper.now(), Time::zero() + 1ns);
}

}  // namespace
}  // namespace quiesce::semantics
