// Rule R9: the region heap.
#include <atomic>

#include "support.hpp"

namespace quiesce::semantics {
namespace {

// ---- R9: the region heap ----

TEST(Regions, R9_values_die_newest_first_after_the_finalizers_and_before_closed) {
  Bench bench;
  Lines lines;
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    (void)scope.heap_alloc<Farewell>(&lines, "first");
    (void)scope.heap_alloc<Farewell>(&lines, "second");
    auto finalizer = [&](Cx) -> Task<> {
      lines.push_back("finalizer");
      co_return;
    };
    (void)scope.defer_async(finalizer);
    (void)scope.heap_alloc<Farewell>(&lines, "third");
    co_return;
  };
  EXPECT_TRUE(bench.run_region(body).is_ok());
  EXPECT_EQ(lines, (Lines{"finalizer", "third", "second", "first"}));
}

TEST(Regions, R9_finalizers_may_read_it) {
  Bench bench;
  int seen = 0;
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    RRef<int> value = scope.heap_alloc<int>(42).value();
    auto finalizer = [&seen, value](Cx cx) -> Task<> {
      seen = value.get(cx).value().get();
      co_return;
    };
    (void)scope.defer_async(finalizer);
    co_return;
  };
  EXPECT_TRUE(bench.run_region(body).is_ok());
  EXPECT_EQ(seen, 42);
}

TEST(Regions, R9_tasks_of_the_region_and_below_may_read_it) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<int> {
    RRef<const int> value = scope.heap_alloc<const int>(20).value();
    auto child = [](Cx mine, RRef<const int> ref) -> Task<int> {
      auto below = [ref](Cx inner, Scope<>&) -> Task<int> { co_return ref.get(inner).value().get(); };
      int lower = co_await region(mine, FailFast{}, below);
      co_return lower + ref.get(mine).value().get();
    };
    auto handle = scope.spawn(cx, child, value).value();
    co_return 2 + co_await handle.join(cx);
  };
  EXPECT_EQ(bench.run_region(body).value(), 42);
}

TEST(Regions, R9_access_from_elsewhere_and_after_the_close_are_typed_errors) {
  Bench bench;
  RRef<int> value;
  EXPECT_EQ(value.get(bench.cx).error().code(), ErrorCode::StaleReference) << "one that was never there";
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    value = scope.heap_alloc<int>(42).value();
    auto from_above = value.get(bench.cx);
    EXPECT_EQ(from_above.error().code(), ErrorCode::WrongRegion);
    EXPECT_NE(from_above.error().message().find("only its tasks and those below it"), std::string::npos);
    co_return;
  };
  EXPECT_TRUE(bench.run_region(body).is_ok());
  auto stale = value.get(bench.cx);
  EXPECT_EQ(stale.error().code(), ErrorCode::StaleReference);
  EXPECT_NE(stale.error().message().find("its region has closed"), std::string::npos);
}

TEST(Regions, R9_a_reference_into_an_earlier_life_of_the_record_is_stale) {
  Bench bench;
  RRef<int> first;
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    first = scope.heap_alloc<int>(1).value();
    co_return;
  };
  EXPECT_TRUE(bench.run_region(body).is_ok());
  auto again = [&](Cx cx, Scope<>& scope) -> Task<> {
    RRef<int> second = scope.heap_alloc<int>(2).value();
    EXPECT_EQ(second.get(cx).value().get(), 2);
    EXPECT_EQ(first.get(cx).error().code(), ErrorCode::StaleReference);
    co_return;
  };
  EXPECT_TRUE(bench.run_region(again).is_ok());
}

TEST(Regions, R9_reads_through_a_stale_context_are_refused) {
  Bench bench;
  Cx ended;
  auto keep = [](Cx cx, Cx* out) -> Task<> {
    *out = cx;
    co_return;
  };
  {
    auto handle = bench.scope.spawn(bench.cx, keep, unsafe_send(&ended)).value();
    bench.stepper.run_until_idle();
  }
  auto value = bench.scope.heap_alloc<int>(1).value();
  EXPECT_EQ(value.get(ended).error().code(), ErrorCode::StaleContext);
}

struct ThrowsWhenDestroyed {
  Lines* lines;
  explicit ThrowsWhenDestroyed(Lines* out) : lines(out) {}
  ~ThrowsWhenDestroyed() noexcept(false) {
    lines->push_back("throws");
    throw std::runtime_error("from a heap value");
  }
};

TEST(Regions, R9_each_value_is_isolated_as_resource_cleanup) {
  auto metrics = std::make_shared<InMemoryMetrics>();
  Bench bench(StepperOptions{.metrics = metrics});
  Lines lines;
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    (void)scope.heap_alloc<Farewell>(&lines, "first");
    (void)scope.heap_alloc<ThrowsWhenDestroyed>(&lines);
    (void)scope.heap_alloc<Farewell>(&lines, "third");
    co_return;
  };
  EXPECT_TRUE(bench.run_region(body).is_ok());
  EXPECT_EQ(lines, (Lines{"third", "throws", "first"}));
  EXPECT_EQ(metrics->panics("region_cleanup"), 1u);
}

static_assert(Sendable<RRef<const int>>);
static_assert(!Sendable<RRef<int>>);
static_assert(Sendable<RRef<std::atomic<int>>>);
static_assert(std::copyable<RRef<int>>);

}  // namespace
}  // namespace quiesce::semantics
