#include "quiesce/sync/pool.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using sync_tests::Desk;

static_assert(!Sendable<PooledGuard<int>>);

/// A thing that can only be moved, and how many of them live.
struct Line {
  int number;
  std::shared_ptr<int> alive;
  bool broken = false;
  Line(int n, std::shared_ptr<int> count) : number(n), alive(std::move(count)) { ++*alive; }
  Line(Line&& other) noexcept : number(other.number), alive(std::move(other.alive)), broken(other.broken) {}
  Line& operator=(Line&&) = default;
  ~Line() {
    if (alive) --*alive;
  }
};

struct Exchange {
  std::shared_ptr<int> alive = std::make_shared<int>(0);
  int made = 0;
  bool fails = false;
  Duration takes = Duration::zero();
  Pool<Line> lines;

  explicit Exchange(PoolOptions options)
      : lines(
            options, [this](Cx cx) { return connect(cx); }, "lines") {}
  Task<Line> connect(Cx cx) {
    if (takes > Duration::zero()) co_await cx.sleep(takes);
    if (fails) co_await fail(ErrorCode::Io, "nobody answers");
    co_return Line(++made, alive);
  }
};

Task<int> call(Cx cx, Exchange* exchange, Duration duration) {
  auto line = co_await exchange->lines.acquire(cx);
  const int number = line->number;
  if (duration > Duration::zero()) co_await cx.sleep(duration);
  co_return number;
}
Task<int> call_badly(Cx cx, Exchange* exchange) {
  auto line = co_await exchange->lines.acquire(cx);
  const int number = line->number;
  line.discard();
  EXPECT_FALSE(line);
  co_return number;
}

TEST(Pool, LendsAgainWhatWasGivenBack) {
  Desk desk;
  Exchange exchange(PoolOptions(2));
  EXPECT_EQ(desk.run(call(desk.cx, &exchange, 0ms)).value(), 1);
  EXPECT_EQ(desk.run(call(desk.cx, &exchange, 0ms)).value(), 1);
  const PoolStatistics after = exchange.lines.statistics();
  EXPECT_EQ(after.idle, 1u);
  EXPECT_EQ(after.lent, 0u);
  EXPECT_EQ(after.made, 1u);
  EXPECT_EQ(after.reused, 1u);
  EXPECT_EQ(after.dropped, 0u);
}

TEST(Pool, MakesNoMoreThanItMayAndServesInOrder) {
  Desk desk;
  Exchange exchange(PoolOptions(2));
  std::vector<TaskHandle<int>> calls;
  for (int i = 0; i < 5; ++i)
    calls.push_back(desk.spawn(call, unsafe_send(&exchange), Duration(10ms + i * 1ms)));
  desk.stepper.run_until_idle();
  EXPECT_EQ(exchange.lines.statistics().lent, 2u);
  EXPECT_EQ(exchange.lines.statistics().waiters, 3u);
  EXPECT_EQ(*exchange.alive, 2);
  desk.stepper.advance(10ms);
  desk.stepper.run_until_idle();
  EXPECT_EQ(exchange.lines.statistics().waiters, 2u);
  for (int i = 0; i < 40; ++i) {
    desk.stepper.advance(1ms);
    desk.stepper.run_until_idle();
  }
  EXPECT_EQ(desk.joined(calls[2]).value(), 1) << "the third got what the first gave back";
  EXPECT_EQ(exchange.made, 2);
  EXPECT_EQ(exchange.lines.statistics().idle, 2u);
}

TEST(Pool, DropsWhatIsDiscardedAndMakesAnother) {
  Desk desk;
  Exchange exchange(PoolOptions(1));
  EXPECT_EQ(desk.run(call_badly(desk.cx, &exchange)).value(), 1);
  EXPECT_EQ(*exchange.alive, 0);
  EXPECT_EQ(desk.run(call(desk.cx, &exchange, 0ms)).value(), 2);
  EXPECT_EQ(exchange.lines.statistics().dropped, 1u);
}

TEST(Pool, KeepsOnlySoManyIdleAndNoneForTooLong) {
  Desk desk;
  Exchange exchange(PoolOptions(4).with_max_idle(2).with_max_idle_age(10ms));
  std::vector<TaskHandle<int>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(desk.spawn(call, unsafe_send(&exchange), Duration(1ms)));
  desk.stepper.run_until_idle();
  desk.stepper.advance(1ms);
  desk.stepper.run_until_idle();
  EXPECT_EQ(exchange.lines.statistics().idle, 2u);
  EXPECT_EQ(*exchange.alive, 2);
  desk.stepper.advance(10ms);
  EXPECT_LE(desk.run(call(desk.cx, &exchange, 0ms)).value(), 4) << "not older than it may be";
  desk.stepper.advance(11ms);
  EXPECT_EQ(desk.run(call(desk.cx, &exchange, 0ms)).value(), 5);
  EXPECT_EQ(*exchange.alive, 1);
}

TEST(Pool, ChecksBeforeItLends) {
  Desk desk;
  Exchange exchange(PoolOptions(2));
  exchange.lines.check_with([](Line& line) { return !line.broken; });
  auto breaks = [&exchange](Cx cx) -> Task<> {
    auto line = co_await exchange.lines.acquire(cx);
    line->broken = true;
  };
  EXPECT_TRUE(desk.run(breaks(desk.cx)).is_ok());
  EXPECT_EQ(exchange.lines.statistics().idle, 1u);
  EXPECT_EQ(desk.run(call(desk.cx, &exchange, 0ms)).value(), 2);
  EXPECT_EQ(*exchange.alive, 1);
}

Task<bool> ping(Cx cx, Line& line) {
  co_await cx.sleep(1ms);
  co_return line.number != 1;
}

TEST(Pool, AChecksThatWaitsMayBeCancelledAndThenTheThingIsDropped) {
  Desk desk;
  Exchange exchange(PoolOptions(1));
  exchange.lines.check_with(ping);
  EXPECT_EQ(desk.run(call(desk.cx, &exchange, 0ms)).value(), 1);
  auto checks = desk.spawn(call, unsafe_send(&exchange), Duration(0ms));
  desk.stepper.run_until_idle();
  checks.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(checks).is_cancelled());
  EXPECT_EQ(*exchange.alive, 0);
  EXPECT_EQ(exchange.lines.statistics().lent, 0u);
  EXPECT_EQ(desk.run(call(desk.cx, &exchange, 0ms)).value(), 2);
  EXPECT_EQ(desk.run(call(desk.cx, &exchange, 0ms)).value(), 2);
}

TEST(Pool, AFactoryThatFailsOrIsCancelledLeavesItsPlaceFree) {
  Desk desk;
  Exchange exchange(PoolOptions(1));
  exchange.fails = true;
  EXPECT_EQ(desk.run(call(desk.cx, &exchange, 0ms)).error().code(), ErrorCode::Io);
  EXPECT_EQ(exchange.lines.statistics().lent, 0u);
  exchange.fails = false;
  exchange.takes = 5ms;
  auto makes = desk.spawn(call, unsafe_send(&exchange), Duration(0ms));
  auto waits = desk.spawn(call, unsafe_send(&exchange), Duration(0ms));
  desk.stepper.run_until_idle();
  EXPECT_EQ(exchange.lines.statistics().waiters, 1u);
  makes.abort();
  desk.stepper.run_until_idle();
  desk.stepper.advance(5ms);
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(makes).is_cancelled());
  EXPECT_EQ(desk.joined(waits).value(), 1);
}

TEST(Pool, AWaitThatIsCancelledLeavesNoPlace) {
  Desk desk;
  Exchange exchange(PoolOptions(1));
  auto has = desk.spawn(call, unsafe_send(&exchange), Duration(5ms));
  auto waits = desk.spawn(call, unsafe_send(&exchange), Duration(0ms));
  auto early = desk.spawn(call, unsafe_send(&exchange), Duration(0ms));
  early.abort();
  desk.stepper.run_until_idle();
  waits.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(waits).is_cancelled());
  EXPECT_TRUE(desk.joined(early).is_cancelled());
  EXPECT_EQ(exchange.lines.statistics().waiters, 0u);
  has.abort();
  desk.stepper.run_until_idle();
  EXPECT_EQ(exchange.lines.statistics().idle, 1u) << "a cancelled borrower gives back";
}

TEST(Pool, ClosedItRefusesAndDropsWhatComesBack) {
  Desk desk;
  Exchange exchange(PoolOptions(2));
  EXPECT_EQ(desk.run(call(desk.cx, &exchange, 0ms)).value(), 1);
  auto one = desk.spawn(call, unsafe_send(&exchange), Duration(5ms));
  auto two = desk.spawn(call, unsafe_send(&exchange), Duration(5ms));
  auto waits = desk.spawn(call, unsafe_send(&exchange), Duration(5ms));
  desk.stepper.run_until_idle();
  exchange.lines.close();
  desk.stepper.run_until_idle();
  auto refused = desk.joined(waits);
  ASSERT_TRUE(refused.is_err()) << refused;
  EXPECT_EQ(refused.error().code(), ErrorCode::Disconnected);
  EXPECT_EQ(refused.error().message(), "pool \"lines\" is closed: it lends nothing any more");
  EXPECT_EQ(*exchange.alive, 2);
  desk.stepper.advance(5ms);
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(one).is_ok());
  EXPECT_EQ(*exchange.alive, 0);
  EXPECT_TRUE(desk.run(call(desk.cx, &exchange, 0ms)).is_err());
  EXPECT_TRUE(exchange.lines.statistics().is_closed);
}

TEST(Pool, OfNoneRefuses) {
  Desk desk;
  Exchange exchange(PoolOptions(0));
  auto refused = desk.run(call(desk.cx, &exchange, 0ms));
  ASSERT_TRUE(refused.is_err());
  EXPECT_EQ(refused.error().message(), "pool \"lines\" may hold nothing: give it a max_size of one at least");
}

TEST(Pool, ItsIdleThingsGoWithIt) {
  Desk desk;
  std::shared_ptr<int> alive;
  {
    Exchange exchange(PoolOptions(2));
    alive = exchange.alive;
    EXPECT_TRUE(desk.run(call(desk.cx, &exchange, 0ms)).is_ok());
    EXPECT_EQ(*alive, 1);
  }
  EXPECT_EQ(*alive, 0);
}

TEST(Pool, TakesPlainFactories) {
  Desk desk;
  int next = 0;
  Pool<int> with(PoolOptions(1), [&next](Cx) { return ++next; });
  Pool<std::string> none(PoolOptions(1), [] { return std::string("made"); });
  auto body = [&](Cx cx) -> Task<std::string> {
    auto number = co_await with.acquire(cx);
    auto text = co_await none.acquire(cx);
    auto moved = std::move(text);
    co_return *moved + std::to_string(*number);
  };
  EXPECT_EQ(desk.run(body(desk.cx)).value(), "made1");
  EXPECT_EQ(none.statistics().idle, 1u);
}

}  // namespace
}  // namespace quiesce
