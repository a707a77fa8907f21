#include "quiesce/combinators/pipeline.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>

#include "quiesce/runtime.hpp"
#include "unit/combinators/branches.hpp"

namespace quiesce::combinator_tests {
namespace {

Task<int> plus_one(Cx cx, int item) {
  co_await cx.sleep(1ms);
  co_return item + 1;
}
Task<std::string> print(Cx, int item) { co_return std::to_string(item); }

TEST(Pipeline, ItemsPassAllStagesInTheirOrderWhereEachHasOneTask) {
  Branches b;
  std::vector<std::string> seen;
  auto sink = [&seen](Cx, std::string item) -> Task<> {
    seen.push_back(std::move(item));
    co_return;
  };
  EXPECT_TRUE(b.run(pipeline(b.cx, std::vector{1, 2, 3}, stage(1, plus_one), stage(1, print), sink)).is_ok());
  EXPECT_EQ(seen, (std::vector<std::string>{"2", "3", "4"}));
  EXPECT_TRUE(b.stepper.live_tasks().empty());
}

TEST(Pipeline, StagesOfSeveralTasksWorkAtTheSameTime) {
  Branches b;
  int sum = 0;
  auto sink = [&sum](Cx, int item) -> Task<> {
    sum += item;
    co_return;
  };
  const std::vector<int> items(8, 1);
  EXPECT_TRUE(b.run(pipeline(b.cx, items, stage(4, plus_one), stage(4, plus_one), sink)).is_ok());
  EXPECT_EQ(sum, 24);
  EXPECT_EQ(b.since_start(), 3ms);
}

TEST(Pipeline, ASlowSinkHoldsUpTheSource) {
  Branches b;
  int taken = 0, most_ahead = 0, arrived = 0;
  auto counting = [&](Cx) -> Task<std::optional<int>> {
    if (taken == 20) co_return std::nullopt;
    most_ahead = std::max(most_ahead, ++taken - arrived);
    co_return taken;
  };
  auto slow = [&](Cx cx, int) -> Task<> {
    co_await cx.sleep(10ms);
    ++arrived;
  };
  auto source = unsafe_send(counting);
  EXPECT_TRUE(b.run(pipeline(b.cx, source, stage(1, plus_one).buffer(2), slow)).is_ok());
  EXPECT_EQ(arrived, 20);
  // one with the source, two before the stage, one in it, one before the sink, one in it
  EXPECT_LE(most_ahead, 6);
  EXPECT_GE(most_ahead, 4);
}

TEST(Pipeline, WithoutStagesItIsASourceAndASink) {
  Branches b;
  int sum = 0;
  auto sink = [&sum](Cx, int item) -> Task<> {
    sum += item;
    co_return;
  };
  EXPECT_TRUE(b.run(pipeline(b.cx, std::views::iota(1, 5), sink)).is_ok());
  EXPECT_EQ(sum, 10);
  EXPECT_TRUE(b.run(pipeline(b.cx, std::vector<int>(), stage(2, plus_one), sink)).is_ok());
  EXPECT_EQ(sum, 10);
}

Task<int> fails_at_three(Cx cx, int item) {
  co_await cx.sleep(1ms);
  if (item == 3) co_await fail(ErrorCode::Io, "three");
  co_return item;
}

TEST(Pipeline, TheFirstFailureCancelsTheRestAndIsTheResult) {
  Branches b;
  std::vector<int> seen;
  auto sink = [&seen](Cx, int item) -> Task<> {
    seen.push_back(item);
    co_return;
  };
  EXPECT_EQ(describe(b.run(pipeline(b.cx, std::vector{1, 2, 3, 4, 5}, stage(1, fails_at_three), sink))),
            "three");
  EXPECT_EQ(seen, (std::vector{1, 2}));
  EXPECT_TRUE(b.stepper.live_tasks().empty());
  auto bad_sink = [](Cx, int) -> Task<> { co_await fail(ErrorCode::Io, "full"); };
  EXPECT_EQ(describe(b.run(pipeline(b.cx, std::views::iota(1), stage(2, plus_one), bad_sink))), "full");
  EXPECT_TRUE(b.stepper.live_tasks().empty());
}

TEST(Pipeline, CancelledItDrains) {
  Branches b;
  int arrived = 0;
  auto sink = [&](Cx cx, int) -> Task<> {
    co_await cx.sleep(5ms);
    ++arrived;
  };
  auto body = [&](Cx cx) -> Task<> { co_await pipeline(cx, std::views::iota(1), stage(2, plus_one), sink); };
  auto running = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  b.stepper.run_until_idle();
  b.stepper.advance(1ms);
  b.stepper.run_until_idle();
  running.abort();
  EXPECT_TRUE(b.stepper.run(running.join(b.cx)).is_cancelled());
  EXPECT_TRUE(b.stepper.live_tasks().empty());
  EXPECT_EQ(arrived, 0);
}

Task<std::unique_ptr<int>> doubled(Cx, std::unique_ptr<int> item) {
  *item *= 2;
  co_return item;
}

TEST(Pipeline, ItemsMayBeMoveOnly) {
  Branches b;
  std::vector<std::unique_ptr<int>> items;
  for (int i = 1; i <= 3; ++i) items.push_back(std::make_unique<int>(i));
  int sum = 0;
  auto sink = [&sum](Cx, std::unique_ptr<int> item) -> Task<> {
    sum += *item;
    co_return;
  };
  EXPECT_TRUE(b.run(pipeline(b.cx, std::move(items), stage(2, doubled), sink)).is_ok());
  EXPECT_EQ(sum, 12);
}

TEST(Pipeline, AStageOfNoTasksOrNoRoomIsRefused) {
  Branches b;
  auto sink = [](Cx, int) -> Task<> { co_return; };
  auto o = b.run(pipeline(b.cx, std::vector{1}, stage(1, plus_one), stage(0, plus_one), sink));
  EXPECT_EQ(describe(o), "pipeline: stage 2 needs one task and room for one item at least");
  auto p = b.run(pipeline(b.cx, std::vector{1}, stage(1, plus_one).buffer(0), sink));
  EXPECT_EQ(p.error().code(), ErrorCode::InvalidArgument);
}

TEST(PipelineOnWorkers, EveryItemArrivesOnce) {
  Runtime runtime = Runtime::builder().workers(4).build();
  auto body = [](Cx cx, Scope<>&) -> Task<long> {
    auto square = [](Cx own, long item) -> Task<long> {
      co_await own.yield();
      co_return item* item;
    };
    long sum = 0;
    auto sink = [&sum](Cx, long item) -> Task<> {
      sum += item;
      co_return;
    };
    co_await pipeline(cx, std::views::iota(0L, 3000L), stage(4, square), sink);
    co_return sum;
  };
  EXPECT_EQ(runtime.block_on(body).value(), 2999L * 3000 * 5999 / 6);
}

}  // namespace
}  // namespace quiesce::combinator_tests
