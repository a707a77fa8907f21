// for_each_concurrent, map_concurrent, map_reduce.
#include "quiesce/combinators/concurrent.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <numeric>
#include <ranges>

#include "quiesce/runtime.hpp"
#include "unit/combinators/branches.hpp"

namespace quiesce::combinator_tests {
namespace {

/// Counts who is inside. One thread.
struct Crowd {
  int inside = 0, most = 0, done = 0;
};
struct Visit {
  Crowd* crowd;
  explicit Visit(Crowd* where) : crowd(where) { crowd->most = std::max(crowd->most, ++crowd->inside); }
  ~Visit() {
    --crowd->inside;
    ++crowd->done;
  }
};

Task<> visit(Cx cx, int item, Crowd* crowd) {
  const Visit inside(crowd);
  co_await cx.sleep(Duration(item * 1ms));
}

TEST(ForEachConcurrent, RunsAtMostSoManyAtATimeAndAll) {
  Branches b;
  Crowd crowd;
  const std::vector<int> items{5, 1, 1, 1, 4, 2};
  EXPECT_TRUE(b.run(for_each_concurrent(b.cx, items, 2, visit, unsafe_send(&crowd))).is_ok());
  EXPECT_EQ(crowd.most, 2);
  EXPECT_EQ(crowd.done, 6);
  EXPECT_EQ(b.since_start(), 7ms) << "5, beside it 1 1 1 4; 2 after the 5";
  EXPECT_TRUE(b.stepper.live_tasks().empty());
}

TEST(ForEachConcurrent, WalksAnyRangeLazily) {
  Branches b;
  Crowd crowd;
  int taken = 0;
  auto counted = std::views::iota(1, 5) | std::views::transform([&taken](int i) {
                   ++taken;
                   return i;
                 });
  auto body = [&](Cx cx) -> Task<> {
    co_await for_each_concurrent(cx, counted, 1, visit, unsafe_send(&crowd));
  };
  auto running = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  b.stepper.run_until_idle();
  EXPECT_LE(taken, 2);
  EXPECT_TRUE(b.stepper.run(running.join(b.cx)).is_ok());
  EXPECT_EQ(taken, 4);
  EXPECT_TRUE(b.run(for_each_concurrent(b.cx, std::vector<int>(), 1, visit, unsafe_send(&crowd))).is_ok());
}

Task<> fails_at_three(Cx cx, int item, Crowd* crowd) {
  const Visit inside(crowd);
  co_await cx.sleep(Duration(item * 1ms));
  if (item == 3) co_await fail(ErrorCode::Io, "three");
}

TEST(ForEachConcurrent, TheFirstFailureCancelsTheRestAndIsTheResult) {
  Branches b;
  Crowd crowd;
  const std::vector<int> items{30, 3, 40, 50};
  const Outcome<> o = b.run(for_each_concurrent(b.cx, items, 3, fails_at_three, unsafe_send(&crowd)));
  ASSERT_TRUE(o.is_err());
  EXPECT_EQ(o.error().message(), "three");
  EXPECT_EQ(b.since_start(), 3ms);
  EXPECT_EQ(crowd.done, 3) << "the fourth was never begun";
  EXPECT_EQ(crowd.inside, 0);
}

TEST(ForEachConcurrent, CancelledItCancelsAndDrainsItsTasks) {
  Branches b;
  Crowd crowd;
  auto body = [&](Cx cx) -> Task<> {
    co_await for_each_concurrent(cx, std::views::iota(10, 20), 3, visit, unsafe_send(&crowd));
  };
  auto running = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  b.stepper.run_until_idle();
  EXPECT_EQ(crowd.inside, 3);
  running.abort();
  EXPECT_TRUE(b.stepper.run(running.join(b.cx)).is_cancelled());
  EXPECT_EQ(crowd.inside, 0);
  EXPECT_EQ(crowd.done, 3);
  auto early = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  early.abort();
  EXPECT_TRUE(b.stepper.run(early.join(b.cx)).is_cancelled());
  EXPECT_EQ(crowd.done, 3);
}

TEST(ForEachConcurrent, NoneAtATimeIsRefused) {
  Branches b;
  Crowd crowd;
  const Outcome<> o = b.run(for_each_concurrent(b.cx, std::vector{1}, 0, visit, unsafe_send(&crowd)));
  ASSERT_TRUE(o.is_err());
  EXPECT_EQ(o.error().code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(o.error().message(), "for_each_concurrent: at least one task at a time is needed");
}

Task<int> take(Cx cx, std::unique_ptr<int> item) {
  co_await cx.sleep(Duration((10 - *item) * 1ms));
  co_return *item * 10;
}

std::vector<std::unique_ptr<int>> boxes(int count) {
  std::vector<std::unique_ptr<int>> all;
  for (int i = 1; i <= count; ++i) all.push_back(std::make_unique<int>(i));
  return all;
}

TEST(MapConcurrent, GivesTheValuesInTheOrderOfTheItemsWhichMayBeMovedIn) {
  Branches b;
  auto o = b.run(map_concurrent(b.cx, boxes(4), 4, take));
  EXPECT_EQ(o.value(), (std::vector{10, 20, 30, 40}));
  EXPECT_EQ(b.since_start(), 9ms);
}

Task<int> odd_fails(Cx cx, int item) {
  co_await cx.yield();
  if (item % 2 == 1) co_await fail(Error("odd " + std::to_string(item)));
  co_return item;
}

TEST(MapConcurrent, FailsWithTheFirstFailure) {
  Branches b;
  EXPECT_EQ(describe(b.run(map_concurrent(b.cx, std::vector{2, 3, 4}, 2, odd_fails))), "odd 3");
  EXPECT_EQ(b.run(map_concurrent(b.cx, std::vector{2, 4}, 2, odd_fails)).value(), (std::vector{2, 4}));
}

Task<std::string> letter(Cx cx, int item) {
  co_await cx.sleep(Duration((7 * item % 5) * 1ms));
  co_return std::string(1, static_cast<char>('a' + item));
}

TEST(MapReduce, ReducesInTheOrderOfTheItems) {
  for (std::uint32_t at_most : {1u, 2u, 3u, 100u}) {
    Branches b;
    auto o = b.run(map_reduce(b.cx, std::views::iota(0, 9), letter, std::plus<>(), std::string(">"), at_most));
    EXPECT_EQ(o.value(), ">abcdefghi");
  }
}

TEST(MapReduce, TheReductionMayCaptureAndAFailureEndsIt) {
  Branches b;
  int calls = 0;
  auto add = [&calls](int sum, int next) {
    ++calls;
    return sum + next;
  };
  EXPECT_EQ(b.run(map_reduce(b.cx, std::vector{2, 4, 6}, odd_fails, add, 1, 2)).value(), 13);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(describe(b.run(map_reduce(b.cx, std::vector{2, 3, 6}, odd_fails, add, 0, 2))), "odd 3");
}

TEST(MapReduceOnWorkers, GivesTheSameAsOneThread) {
  Runtime runtime = Runtime::builder().workers(4).build();
  auto square = [](Cx cx, long item) -> Task<long> {
    co_await cx.yield();
    co_return item* item;
  };
  auto body = [&](Cx cx, Scope<>&) -> Task<long> {
    co_return co_await map_reduce(cx, std::views::iota(0L, 2000L), square, std::plus<>(), 0L, 8);
  };
  EXPECT_EQ(runtime.block_on(body).value(), 1999L * 2000 * 3999 / 6);
}

}  // namespace
}  // namespace quiesce::combinator_tests
