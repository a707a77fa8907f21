#include "quiesce/sync/value.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "quiesce/select.hpp"
#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using sync_tests::Desk;

static_assert(Sendable<Value<int>::Snapshot>);
static_assert(enable_sync<Value<int>> && !enable_sync<Value<int*>>);

Task<int> at_least(Cx cx, Value<int>* value, int wanted) {
  auto waiting = value->wait_until(cx, [wanted](int now) { return now >= wanted; });
  auto seen = co_await std::move(waiting);
  co_return *seen;
}

TEST(Value, WaitsUntilThePredicateHolds) {
  Desk desk;
  Value<int> value(0, "level");
  auto three = desk.spawn(at_least, unsafe_send(&value), 3);
  auto one = desk.spawn(at_least, unsafe_send(&value), 1);
  desk.stepper.run_until_idle();
  EXPECT_EQ(value.statistics().waiters, 2u);
  value.set(1);
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.joined(one).value(), 1);
  EXPECT_EQ(value.statistics().waiters, 1u);
  value.set(2);
  value.set(5);
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.joined(three).value(), 5);
  EXPECT_EQ(desk.run(at_least(desk.cx, &value, 4)).value(), 5);
  EXPECT_EQ(value.statistics().changes, 3u);
}

TEST(Value, ASnapshotStaysAsItWas) {
  Value<std::string> value("before");
  const auto seen = value.read();
  const auto next = value.set("after");
  EXPECT_EQ(*seen, "before");
  EXPECT_EQ(seen.version(), 0u);
  EXPECT_EQ(*next, "after");
  EXPECT_EQ(next->size(), 5u);
  EXPECT_EQ(next.version(), 1u);
}

TEST(Value, UpdatesACopyAndStartsAgainWhenItIsNotTheNewest) {
  Value<std::vector<int>> value({1});
  int runs = 0;
  value.update([&](std::vector<int>& copy) {
    if (++runs == 1) value.set({5});  // somebody is faster
    copy.push_back(2);
  });
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(*value.read(), (std::vector{5, 2}));
}

TEST(Value, AnUpdateThatThrowsChangesNothing) {
  Value<int> value(1);
  EXPECT_THROW(value.update([](int&) { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_EQ(*value.read(), 1);
  EXPECT_EQ(value.statistics().changes, 0u);
}

TEST(Value, HoldsWhatCanOnlyBeMoved) {
  Value<std::unique_ptr<int>> value(std::make_unique<int>(1));
  value.set(std::make_unique<int>(2));
  EXPECT_EQ(**value.read(), 2);
}

Task<std::uint64_t> next_change(Cx cx, Value<int>* value) {
  auto seen = co_await value->wait_changed(cx);
  co_return seen.version();
}
Task<std::uint64_t> change_after(Cx cx, Value<int>* value, Value<int>::Snapshot seen) {
  auto newer = co_await value->wait_changed(cx, seen);
  co_return newer.version();
}

TEST(Value, AChangeIsNewerThanTheCallOrThanWhatWasSeen) {
  Desk desk;
  Value<int> value(0);
  const auto old = value.read();
  value.set(1);
  EXPECT_EQ(desk.run(change_after(desk.cx, &value, old)).value(), 1u);
  auto waits = desk.spawn(next_change, unsafe_send(&value));
  desk.stepper.run_until_idle();
  EXPECT_EQ(value.statistics().waiters, 1u);
  value.set(1);  // a change, though to the same
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.joined(waits).value(), 2u);
}

TEST(Value, AWaitThatIsCancelledLeavesNothing) {
  Desk desk;
  Value<int> value(0);
  auto waits = desk.spawn(at_least, unsafe_send(&value), 1);
  auto changed = desk.spawn(next_change, unsafe_send(&value));
  auto early = desk.spawn(at_least, unsafe_send(&value), 0);
  early.abort();
  desk.stepper.run_until_idle();
  waits.abort();
  changed.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(waits).is_cancelled());
  EXPECT_TRUE(desk.joined(changed).is_cancelled());
  EXPECT_TRUE(desk.joined(early).is_cancelled()) << "a cancel point also where it holds at once";
  EXPECT_EQ(value.statistics().waiters, 0u);
}

Task<int> changed_or_late(Cx cx, Value<int>* value) {
  auto first = co_await select(cx, value->wait_changed(), cx.sleep(1ms));
  co_return first.index() == 0 ? *std::get<0>(first) : -1;
}
Task<> set_soon(Cx cx, Value<int>* value) {
  co_await cx.yield();
  value->set(7);
}

TEST(Value, AChangeTakesPartInASelect) {
  Desk desk;
  Value<int> value(0);
  EXPECT_EQ(desk.run(changed_or_late(desk.cx, &value)).value(), -1);
  auto setter = desk.spawn(set_soon, unsafe_send(&value));
  EXPECT_EQ(desk.run(changed_or_late(desk.cx, &value)).value(), 7);
  EXPECT_EQ(value.statistics().waiters, 0u);
}

TEST(Value, APredicateThatThrowsPanicsItsTask) {
  Desk desk;
  Value<int> value(0);
  auto body = [&value](Cx cx) -> Task<> {
    auto waiting = value.wait_until(cx, [](int) -> bool { throw std::runtime_error("cannot tell"); });
    co_await std::move(waiting);
  };
  EXPECT_TRUE(desk.run(body(desk.cx)).is_panicked());
}

}  // namespace
}  // namespace quiesce
