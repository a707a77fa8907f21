// Rules F1 and F2: finalizers.
#include <optional>

#include "support.hpp"

namespace quiesce::semantics {
namespace {

TEST(Finalizers, F1_run_once_each_newest_first) {
  Bench bench;
  Lines lines;
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    (void)scope.defer_sync([&] { lines.push_back("first"); });
    auto second = [&](Cx cx) -> Task<> {
      co_await cx.yield();
      lines.push_back("second");
    };
    (void)scope.defer_async(second);
    (void)scope.defer_sync([&] { lines.push_back("third"); });
    auto fourth = [&](Cx cx) -> Task<> {
      co_await cx.sleep(1ms);
      lines.push_back("fourth");
    };
    (void)scope.defer_async(fourth);
    co_return;
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).is_ok());
  EXPECT_EQ(lines, (Lines{"fourth", "third", "second", "first"}));
}

TEST(Finalizers, F1_after_all_children_are_gone) {
  Bench bench;
  Lines lines;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    (void)scope.defer_sync([&] { lines.push_back("finalizer"); });
    auto child = [](Cx mine, Lines* out) -> Task<> {
      Farewell frame(out, "child's frame");
      co_await mine.sleep(1s);
      out->push_back("child ends");
    };
    (void)scope.spawn(cx, child, unsafe_send(&lines)).value();
    lines.push_back("body ends");
    co_return;
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).is_ok());
  EXPECT_EQ(lines, (Lines{"body ends", "child ends", "child's frame", "finalizer"}));
}

TEST(Finalizers, F1_a_grandchilds_before_a_childs_before_a_parents) {
  Bench bench;
  Lines lines;
  auto grandchild = [&](Cx cx, Scope<>& scope) -> Task<> {
    (void)scope.defer_sync([&] { lines.push_back("grandchild"); });
    co_await cx.sleep(1h);
  };
  auto child = [&](Cx cx, Scope<>& scope) -> Task<> {
    (void)scope.defer_sync([&] { lines.push_back("child"); });
    co_await scope.region(cx, FailFast{}, grandchild);
  };
  auto parent = [&](Cx cx, Scope<>& scope) -> Task<> {
    (void)scope.defer_sync([&] { lines.push_back("parent"); });
    auto opens = [](Cx mine, decltype(child)* body) -> Task<> { co_await region(mine, FailFast{}, *body); };
    (void)scope.spawn(cx, opens, unsafe_send(&child)).value();
    co_await cx.sleep(1s);
    scope.cancel(CancelReason::user("all at once"));
  };
  (void)bench.run(bench.scope.region(bench.cx, FailFast{}, parent));
  EXPECT_EQ(lines, (Lines{"grandchild", "child", "parent"}));
}

TEST(Finalizers, F1_run_whatever_the_outcome) {
  for (int how = 0; how < 4; ++how) {
    Bench bench;
    int runs = 0;
    auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
      (void)scope.defer_sync([&] { ++runs; });
      auto also = [&](Cx) -> Task<> {
        ++runs;
        co_return;
      };
      (void)scope.defer_async(also);
      if (how == 1) co_await fail(ErrorCode::User, "e");
      if (how == 2) throw std::runtime_error("p");
      if (how == 3) scope.cancel(CancelReason::user("c"));
      co_await cx.yield();
    };
    Outcome<> outcome = bench.run(bench.scope.region(bench.cx, FailFast{}, body));
    EXPECT_EQ(runs, 2) << outcome;
  }
}

TEST(Finalizers, F1_the_panic_threshold_never_skips_them) {
  Bench bench(StepperOptions{
      .panics = PanicIsolationConfig{.capture_backtraces = false, .panic_threshold_per_region = 1}});
  Lines lines;
  auto body = [&](Cx cx, Scope<CollectAll>& scope) -> Task<> {
    (void)scope.defer_sync([&] { lines.push_back("sync"); });
    auto async = [&](Cx) -> Task<> {
      lines.push_back("async");
      co_return;
    };
    (void)scope.defer_async(async);
    (void)scope.launch(cx, panicking, std::string("one is enough"));
    co_await cx.sleep(1h);
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, CollectAll{}, body)).is_panicked());
  EXPECT_EQ(lines, (Lines{"async", "sync"}));
}

TEST(Finalizers, F1_callables_die_after_they_ran) {
  Bench bench;
  Lines lines;
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    for (const char* name : {"a", "b"}) {
      auto finalizer = [&lines, gone = Farewell(&lines, std::string(name) + " gone"), name](Cx) -> Task<> {
        lines.push_back(std::string(name) + " runs");
        co_return;
      };
      EXPECT_TRUE(scope.defer_async(UnsafeSend(std::move(finalizer))));
    }
    co_return;
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).is_ok());
  EXPECT_EQ(lines, (Lines{"b runs", "b gone", "a runs", "a gone"}));
}

// ---- F2 ----

TEST(Finalizers, F2_async_finalizers_run_masked) {
  Bench bench;
  Lines lines;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto finalizer = [&](Cx mine) -> Task<> {
      EXPECT_TRUE(mine.is_cancel_requested()) << "the region is cancelled, and the finalizer knows";
      EXPECT_TRUE(mine.checkpoint().is_ok());
      co_await mine.sleep(1ms);  // not woken, not refused
      lines.push_back("cleaned up");
    };
    (void)scope.defer_async(finalizer);
    scope.cancel(CancelReason::user("enough"));
    co_await cx.sleep(1h);
  };
  (void)bench.run(bench.scope.region(bench.cx, FailFast{}, body));
  EXPECT_EQ(lines, Lines{"cleaned up"});
  EXPECT_EQ(bench.stepper.now(), Time::zero() + 1ms);
}

struct Limited : ::testing::Test {
  Bench<> bench;
  Lines lines;
  RegionOptions options = RegionOptions().with_cleanup(CleanupBudget{5, 1s});

  template <class Body>
  Outcome<> run(Body& body) {
    return bench.run(bench.scope.region_with(bench.cx, options, FailFast{}, body));
  }
};

TEST_F(Limited, F2_time_spent_requests_the_finalizer_with_deadline) {
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    auto finalizer = [&](Cx cx) -> Task<> {
      EXPECT_FALSE(cx.is_cancel_requested());
      auto slept = co_await cx.sleep(1h).outcome();
      EXPECT_TRUE(slept.is_cancelled()) << "its mask counts as 0";
      lines.emplace_back(to_string(cx.cancel_reason()->kind()));
      EXPECT_TRUE(cx.checkpoint().is_cancelled());
    };
    (void)scope.defer_sync([&] { lines.push_back("the others still run"); });
    (void)scope.defer_async(finalizer);
    co_return;
  };
  (void)run(body);
  EXPECT_EQ(bench.stepper.now(), Time::zero() + 1s);
  EXPECT_EQ(lines, (Lines{"Deadline", "the others still run"}));
}

TEST_F(Limited, F2_steps_spent_request_the_finalizer_with_poll_quota) {
  int steps = 0;
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    auto finalizer = [&](Cx cx) -> Task<> {
      while (cx.checkpoint().is_ok() && steps < 100) {
        ++steps;
        co_await cx.sleep(1ms);
      }
      lines.emplace_back(to_string(cx.cancel_reason()->kind()));
    };
    (void)scope.defer_async(finalizer);
    co_return;
  };
  (void)run(body);
  EXPECT_EQ(steps, 5);
  EXPECT_EQ(lines, Lines{"PollQuota"});
}

TEST_F(Limited, F2_a_mask_of_its_own_does_not_rearm_a_spent_budget) {
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    auto finalizer = [&](Cx cx) -> Task<> {
      (void)co_await cx.sleep(1h).outcome();
      MaskGuard mask = cx.mask();
      auto again = co_await cx.sleep(1h).outcome();
      lines.push_back(again.is_cancelled() ? "still refused" : "masked again");
    };
    (void)scope.defer_async(finalizer);
    co_return;
  };
  (void)run(body);
  EXPECT_EQ(lines, Lines{"still refused"});
}

TEST_F(Limited, F2_each_finalizer_has_the_whole_budget) {
  int whole = 0;
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    for (int i = 0; i < 3; ++i) {
      auto finalizer = [&](Cx cx) -> Task<> {
        auto slept = co_await cx.sleep(900ms).outcome();
        whole += slept.is_ok();
      };
      (void)scope.defer_async(finalizer);
    }
    co_return;
  };
  EXPECT_TRUE(run(body).is_ok());
  EXPECT_EQ(whole, 3);
}

TEST(Finalizers, F2_a_panic_is_isolated_recorded_and_the_others_still_run) {
  auto metrics = std::make_shared<InMemoryMetrics>();
  Bench bench(StepperOptions{.metrics = metrics});
  Lines lines;
  auto body = [&](Cx, Scope<>& scope) -> Task<int> {
    (void)scope.defer_sync([&] { lines.push_back("first"); });
    (void)scope.defer_sync([] { throw std::runtime_error("sync"); });
    auto async = [](Cx) -> Task<> {
      throw std::runtime_error("async");
      co_return;
    };
    (void)scope.defer_async(async);
    auto no_coroutine = [](Cx) -> Task<> { throw std::runtime_error("factory"); };
    (void)scope.defer_async(no_coroutine);
    (void)scope.defer_sync([&] { lines.push_back("last"); });
    co_return 7;
  };
  Outcome<int> outcome = bench.run(bench.scope.region(bench.cx, FailFast{}, body));
  EXPECT_EQ(lines, (Lines{"last", "first"}));
  EXPECT_EQ(metrics->panics("finalizer_execution"), 3u);
  EXPECT_EQ(outcome.value(), 7) << "recorded, and not the region's outcome";
}

struct ThrowsWhenDestroyed {
  Lines* lines;
  explicit ThrowsWhenDestroyed(Lines* out) : lines(out) {}
  ThrowsWhenDestroyed(ThrowsWhenDestroyed&& other) noexcept : lines(std::exchange(other.lines, nullptr)) {}
  ThrowsWhenDestroyed(const ThrowsWhenDestroyed&) = delete;
  ~ThrowsWhenDestroyed() noexcept(false) {
    if (lines != nullptr) throw std::runtime_error("a capture");
  }
};

TEST(Finalizers, F2_R9_a_callable_that_throws_when_it_dies_is_resource_cleanup) {
  auto metrics = std::make_shared<InMemoryMetrics>();
  Bench bench(StepperOptions{.metrics = metrics});
  Lines lines;
  auto body = [&](Cx, Scope<>& scope) -> Task<> {
    (void)scope.defer_sync([&] { lines.push_back("other"); });
    auto finalizer = [&lines, thrower = ThrowsWhenDestroyed(&lines)] { lines.push_back("runs"); };
    (void)scope.defer_sync(UnsafeSend(std::move(finalizer)));
    co_return;
  };
  EXPECT_TRUE(bench.run(bench.scope.region(bench.cx, FailFast{}, body)).is_ok());
  EXPECT_EQ(lines, (Lines{"runs", "other"}));
  EXPECT_EQ(metrics->panics("region_cleanup"), 1u);
}

TEST(Finalizers, F2_an_err_of_a_finalizer_is_nobodys_but_the_policys) {
  Bench bench;
  auto body = [&](Cx, Scope<>& scope) -> Task<int> {
    auto finalizer = [](Cx) -> Task<> { co_await fail(ErrorCode::User, "could not clean up"); };
    (void)scope.defer_async(finalizer);
    co_return 7;
  };
  Outcome<int> outcome = bench.run(bench.scope.region(bench.cx, FailFast{}, body));
  ASSERT_TRUE(outcome.is_err()) << outcome;
  EXPECT_EQ(outcome.error().message(), "could not clean up");
}

}  // namespace
}  // namespace quiesce::semantics
