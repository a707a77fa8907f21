// Rules R1, R8 and R11: the tree of regions, their limits, and where a region opens.
#include <algorithm>

#include "support.hpp"

namespace quiesce::semantics {
namespace {

// ---- R1: a tree; every live task in exactly one region ----

TEST(Regions, R1_every_live_task_is_in_exactly_one_region) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<> {
    (void)scope.spawn(cx, sleeper).value();
    auto inner = [](Cx inner_cx, Scope<>& inner_scope) -> Task<> {
      (void)inner_scope.spawn(inner_cx, sleeper).value();
      co_await inner_cx.sleep(1h);
    };
    co_await scope.region(cx, FailFast{}, inner);
  };
  auto opener = [](Cx cx, decltype(body)* outer) -> Task<> { co_await region(cx, FailFast{}, *outer); };
  auto handle = bench.scope.spawn(bench.cx, opener, unsafe_send(&body)).value();
  bench.stepper.run_until_idle();

  std::vector<RegionId> regions{bench.root};
  std::vector<TaskId> seen;
  for (std::size_t i = 0; i < regions.size(); ++i) {
    auto view = bench.stepper.region(regions[i]).value();
    for (RegionId child : view.children) {
      EXPECT_EQ(bench.stepper.region(child)->parent, regions[i]);
      regions.push_back(child);
    }
    for (TaskId task : view.tasks) {
      EXPECT_EQ(bench.stepper.task(task)->owner, regions[i]);
      seen.push_back(task);
    }
  }
  EXPECT_EQ(regions.size(), 3u);
  EXPECT_EQ(seen.size(), 5u);  // the opener, two bodies, two sleepers
  std::vector<TaskId> live = bench.stepper.live_tasks();
  std::sort(seen.begin(), seen.end());
  std::sort(live.begin(), live.end());
  EXPECT_EQ(seen, live);
}

TEST(Regions, R1_a_task_without_a_handle_is_not_detached) {
  Bench bench;
  Door door;
  { auto dropped = bench.scope.spawn(bench.cx, at_door, unsafe_send(&door)).value(); }
  ASSERT_TRUE(bench.scope.launch(bench.cx, at_door, unsafe_send(&door)));
  bench.stepper.run_until_idle();
  EXPECT_EQ(bench.stepper.region(bench.root)->tasks.size(), 2u);
  bench.stepper.begin_close(bench.root);
  EXPECT_TRUE(bench.stepper.region(bench.root)) << "a region closed before its tasks had ended";
  door.open();
  bench.stepper.run_until_idle();
  EXPECT_FALSE(bench.stepper.region(bench.root));
}

// ---- R8: limits ----

TEST(Regions, R8_max_tasks_refuses_with_what_and_how_many) {
  Bench bench({}, Budget::infinite(), {.max_tasks = 2});
  auto first = bench.scope.spawn(bench.cx, sleeper).value();
  auto second = bench.scope.spawn(bench.cx, answer, 2).value();
  auto refused = bench.scope.spawn(bench.cx, sleeper);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), SpawnErrorKind::RegionAtCapacity);
  EXPECT_EQ(refused.error().region(), bench.root);
  EXPECT_EQ(refused.error().limit(), 2u);
  EXPECT_EQ(refused.error().live(), 2u);
  EXPECT_NE(refused.error().message().find("max_tasks is 2 and 2 are live"), std::string::npos)
      << refused.error().message();
  EXPECT_EQ(bench.stepper.region(bench.root)->tasks.size(), 2u);
  bench.stepper.step(second.task_id());
  EXPECT_TRUE(bench.scope.spawn(bench.cx, sleeper)) << "a place that is free again";
}

TEST(Regions, R8_the_body_does_not_count_against_max_tasks) {
  Bench bench;
  auto body = [](Cx cx, Scope<>& scope) -> Task<> {
    EXPECT_TRUE(scope.spawn(cx, answer, 1));
    EXPECT_FALSE(scope.spawn(cx, answer, 1));
    auto inner = [](Cx, Scope<>&) -> Task<> { co_return; };
    co_await scope.region(cx, FailFast{}, inner);  // nor does a child region
    co_return;
  };
  EXPECT_TRUE(bench.run_region(body, RegionOptions().with_limits({.max_tasks = 1})).is_ok());
}

TEST(Regions, R8_max_children) {
  Bench bench;
  Door door;
  auto opens = [](Cx cx, Door* held) -> Task<> {
    auto body = [held](Cx, Scope<>&) -> Task<> { co_await *held; };
    co_await region(cx, FailFast{}, body);
  };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto holder = scope.spawn(cx, opens, unsafe_send(&door)).value();
    co_await cx.sleep(1s);
    auto nothing = [](Cx, Scope<>&) -> Task<> { co_return; };
    auto refused = co_await scope.region(cx, FailFast{}, nothing).outcome();
    EXPECT_TRUE(refused.is_err());
    EXPECT_EQ(refused.error().code(), ErrorCode::RegionAtCapacity);
    EXPECT_NE(refused.error().message().find("max_children is 1 and 1 are live"), std::string::npos)
        << refused.error().message();
    EXPECT_EQ(bench.stepper.region(cx.region_id())->children.size(), 1u);
    door.open();
    co_await holder.join(cx);
    auto opened = co_await scope.region(cx, FailFast{}, nothing).outcome();
    EXPECT_TRUE(opened.is_ok()) << opened;
  };
  EXPECT_TRUE(bench.run_region(body, RegionOptions().with_limits({.max_children = 1})).is_ok());
}

TEST(Regions, R8_max_heap_bytes) {
  Bench bench({}, Budget::infinite(), {.max_heap_bytes = 2 * sizeof(std::uint64_t)});
  EXPECT_TRUE(bench.scope.heap_alloc<std::uint64_t>(1u));
  EXPECT_TRUE(bench.scope.heap_alloc<std::uint64_t>(2u));
  auto refused = bench.scope.heap_alloc<std::uint64_t>(3u);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::RegionAtCapacity);
  EXPECT_EQ(refused.error().limit(), 16u);
  EXPECT_EQ(refused.error().live(), 16u);
}

// ---- R11: scopes of the calling task's own region ----

TEST(Regions, R11_region_through_a_scope_from_elsewhere_is_refused) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>&) -> Task<> {
    auto inner = [](Cx, Scope<>&) -> Task<> { co_return; };
    auto refused = co_await bench.scope.region(cx, FailFast{}, inner).outcome();  // the parent's scope
    EXPECT_TRUE(refused.is_err());
    EXPECT_EQ(refused.error().code(), ErrorCode::WrongRegion);
    EXPECT_NE(refused.error().message().find("use a scope of its own region"), std::string::npos);
    EXPECT_TRUE(bench.stepper.region(bench.root)->children.size() == 1u) << "something was opened";
  };
  EXPECT_TRUE(bench.run_region(body).is_ok());
}

TEST(Regions, R11_combinators_need_a_scope_of_the_callers_region_too) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto code = [](const auto& outcome) { return outcome.is_err() ? outcome.error().code() : ErrorCode::User; };
    auto make = [&] { return scope.spawn(cx, answer, 1).value(); };
    Scope<>& foreign = bench.scope;
    EXPECT_EQ(code(co_await foreign.join(cx, make()).outcome()), ErrorCode::WrongRegion);
    EXPECT_EQ(code(co_await foreign.try_join(cx, make()).outcome()), ErrorCode::WrongRegion);
    EXPECT_EQ(code(co_await foreign.race(cx, make()).outcome()), ErrorCode::WrongRegion);
    EXPECT_EQ(code(co_await foreign.timeout(cx, 1s, make()).outcome()), ErrorCode::WrongRegion);
  };
  EXPECT_TRUE(bench.run_region(body).is_ok());
}

TEST(Regions, R11_a_combinator_that_would_spawn_has_started_nothing_when_it_is_refused) {
  Bench bench;
  auto body = [&](Cx cx, Scope<>&) -> Task<> {
    auto started = [](Cx, Started<>) -> Task<> { co_return; };
    auto plain = [](Cx) -> Task<> { co_return; };
    const std::size_t tasks = bench.stepper.snapshot().task_count();
    auto hedged = co_await bench.scope.hedge(cx, 1s, plain, plain).outcome();
    EXPECT_EQ(hedged.error().code(), ErrorCode::WrongRegion);
    auto begun = co_await bench.scope.start(cx, started).outcome();
    EXPECT_EQ(begun.error().code(), ErrorCode::WrongRegion);
    EXPECT_EQ(bench.stepper.snapshot().task_count(), tasks);
  };
  EXPECT_TRUE(bench.run_region(body).is_ok());
}

TEST(Regions, R11_handles_may_be_from_anywhere) {
  Bench bench;
  RegionId other_root = bench.stepper.create_root_region();
  auto foreign = bench.stepper.scope(other_root).spawn(bench.cx, answer, 42).value();
  auto body = [&](Cx cx, Scope<>& scope) -> Task<int> {
    auto results = co_await scope.join(cx, std::move(foreign));
    co_return std::get<0>(std::move(results)).value();
  };
  EXPECT_EQ(bench.run_region(body).value(), 42);
}

TEST(Regions, R11_region_without_a_scope_opens_one_in_the_callers_region) {
  Bench bench;
  auto task = [](Cx cx) -> Task<RegionId> {
    auto body = [](Cx inner, Scope<>&) -> Task<RegionId> { co_return inner.region_id(); };
    co_return co_await region(cx, FailFast{}, body);
  };
  auto handle = bench.scope.spawn(bench.cx, task).value();
  RegionId inner = bench.stepper.run(handle.join(bench.cx)).value();
  EXPECT_NE(inner, bench.root);
}

}  // namespace
}  // namespace quiesce::semantics
