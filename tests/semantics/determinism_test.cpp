// Rules T1 and T2: time comes from the context's clock; the same seed gives the same run, whatever ran before.
#include <sstream>

#include "semantics/support.hpp"

namespace quiesce::semantics {
namespace {

TEST(Determinism, T1_time_is_virtual_and_moves_only_when_nothing_can_run) {
  Bench<> bench;
  EXPECT_EQ(bench.cx.now(), Time::zero());
  std::vector<Time> seen;
  auto nap = bench.spawn([&seen](Cx cx) -> Task<> {
    co_await cx.sleep(5ms);
    seen.push_back(cx.now());
  });
  auto busy = bench.spawn([&seen](Cx cx) -> Task<> {
    for (int i = 0; i < 100; ++i) co_await cx.yield();
    seen.push_back(cx.now());
  });
  EXPECT_TRUE(bench.stepper.run(nap.join(bench.cx)).is_ok());
  // However many steps the other took, the clock stood still for them.
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0], Time::zero());
  EXPECT_EQ(seen[1], Time::zero() + 5ms);
  EXPECT_TRUE(bench.stepper.run(busy.join(bench.cx)).is_ok());
}

TEST(Determinism, T1_two_steppers_have_clocks_of_their_own) {
  Bench<> a, b;
  a.stepper.advance(3s);
  EXPECT_EQ(a.cx.now(), Time::zero() + 3s);
  EXPECT_EQ(b.cx.now(), Time::zero());
}

Task<int> wander(Cx cx, Scope<> scope, std::ostringstream* trace, int depth) {
  *trace << cx.path() << ' ' << cx.logical_id().value << ' ' << cx.random_index(1000) << ' ' << cx.now().nanos() << '\n';
  std::vector<TaskHandle<int>> children;
  if (depth > 0) {
    for (std::uint64_t i = 0; i < 1 + cx.random_index(3); ++i) {
      children.push_back(co_await scope.spawn(cx, wander, scope, unsafe_send(trace), depth - 1));
    }
  }
  co_await cx.sleep(std::chrono::microseconds(cx.random_index(50)));
  if (children.size() >= 2) {
    auto race = scope.race_all(cx, std::move(children));
    auto won = co_await std::move(race).outcome();
    *trace << cx.path() << " won " << (won.is_ok() ? static_cast<int>(won.value().index) : -1) << '\n';
  }
  co_return depth;
}

std::string trace_of(std::uint64_t seed) {
  StepperOptions options;
  options.seed = seed;
  std::ostringstream trace;
  Bench<> bench(options);
  auto handle = bench.scope.spawn(bench.cx, wander, bench.scope, unsafe_send(&trace), 4).value();
  Outcome<int> outcome = bench.stepper.run(handle.join(bench.cx));
  trace << outcome << '\n' << bench.cx.now();
  return trace.str();
}

TEST(Determinism, T2_the_same_seed_gives_the_same_trace_whatever_ran_before) {
  const std::string first = trace_of(7);
  {
    // Other lives of the same records: their slab indices and generations move on, logical ids do not.
    Bench<> other;
    std::vector<TaskHandle<int>> handles;
    for (int i = 0; i < 37; ++i) handles.push_back(other.scope.spawn(other.cx, answer, i).value());
    other.stepper.run_until_idle();
  }
  EXPECT_EQ(trace_of(7), first);
  EXPECT_GT(std::count(first.begin(), first.end(), '\n'), 10);
}

TEST(Determinism, T2_another_seed_gives_another_run) { EXPECT_NE(trace_of(7), trace_of(8)); }

TEST(Determinism, T2_virtual_time_advances_only_when_nothing_can_run) {
  Bench<> bench;
  auto nap = bench.spawn([](Cx cx) -> Task<> { co_await cx.sleep(1ms); });
  bench.stepper.run_until_idle();
  EXPECT_EQ(bench.cx.now(), Time::zero());  // idle, and still not moved: only `run` and `advance` do
  bench.stepper.advance(999us);
  EXPECT_TRUE(bench.stepper.runnable().empty());
  bench.stepper.advance(1us);
  EXPECT_EQ(bench.stepper.runnable().size(), 1u);
  EXPECT_TRUE(bench.stepper.run(nap.join(bench.cx)).is_ok());
}

}  // namespace
}  // namespace quiesce::semantics
