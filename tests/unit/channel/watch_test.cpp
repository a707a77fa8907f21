// watch: the latest value, and no lost updates. Driven by the Stepper.
#include "quiesce/channel/watch.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "quiesce/select.hpp"
#include "quiesce/testing/stepper.hpp"

namespace quiesce::testing {
namespace {

using namespace std::chrono_literals;
using Receiver = watch::Receiver<int>;

struct WatchTest : ::testing::Test {
  Stepper s;
  RegionId root = s.create_root_region();
  Scope<> scope = s.scope(root);
  Cx cx = s.cx(root);
};

Task<int> next_of(Cx cx, Receiver* rx) { co_return *co_await rx->changed(cx); }

TEST_F(WatchTest, ReadGivesTheLatest) {
  auto [tx, rx] = watch::channel(1, "level");
  EXPECT_EQ(*rx.read(), 1);
  EXPECT_FALSE(rx.has_changed()) << "the initial value counts as seen";
  tx.send(2);
  tx.send(3);
  EXPECT_TRUE(rx.has_changed());
  EXPECT_EQ(*rx.peek(), 3);
  EXPECT_TRUE(rx.has_changed()) << "a peek is no reading";
  EXPECT_EQ(*rx.read(), 3);
  EXPECT_FALSE(rx.has_changed());
  EXPECT_EQ(*tx.latest(), 3);
}

TEST_F(WatchTest, ChangedWaitsForWhatIsNewer) {
  auto [tx, rx] = watch::channel(1);
  auto waiting = scope.spawn(cx, next_of, unsafe_send(&rx)).value();
  s.run_until_idle();
  EXPECT_EQ(tx.statistics().waiters, 1u);
  tx.send(2);
  EXPECT_EQ(s.run(waiting.join(cx)).value(), 2);
  EXPECT_FALSE(rx.has_changed()) << "what changed gave counts as seen";
}

TEST_F(WatchTest, AValueSentBetweenAReadAndTheWaitIsSeen) {
  auto [tx, rx] = watch::channel(1);
  EXPECT_EQ(*rx.read(), 1);
  tx.send(2);
  auto ready = scope.spawn(cx, next_of, unsafe_send(&rx)).value();
  EXPECT_EQ(s.run(ready.join(cx)).value(), 2);
}

TEST_F(WatchTest, OneSentAfterTheWakeUpIsWhatChangedGives) {
  auto [tx, rx] = watch::channel(1);
  auto waiting = scope.spawn(cx, next_of, unsafe_send(&rx)).value();
  s.run_until_idle();
  tx.send(2);
  tx.send(3);
  EXPECT_EQ(s.run(waiting.join(cx)).value(), 3);
  EXPECT_FALSE(rx.has_changed());
}

TEST_F(WatchTest, SendModifyChangesACopy) {
  auto [tx, rx] = watch::channel(std::string("a"));
  auto before = rx.read();
  tx.send_modify([](std::string& text) { text += "b"; });
  EXPECT_EQ(*before, "a");
  EXPECT_EQ(*rx.read(), "ab");
  EXPECT_THROW(tx.send_modify([](std::string&) { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_FALSE(rx.has_changed());
  EXPECT_EQ(*rx.read(), "ab");
}

TEST_F(WatchTest, ValuesMayBeMoveOnly) {
  auto [tx, rx] = watch::channel(std::make_unique<int>(1));
  tx.send(std::make_unique<int>(2));
  EXPECT_EQ(**rx.read(), 2);
}

TEST_F(WatchTest, ASnapshotOutlivesTheChannel) {
  std::shared_ptr<const int> kept;
  {
    auto [tx, rx] = watch::channel(5);
    kept = rx.read();
    tx.send(6);
  }
  EXPECT_EQ(*kept, 5);
}

TEST_F(WatchTest, ReceiversAreIndependent) {
  auto [tx, rx] = watch::channel(1);
  tx.send(2);
  Receiver copy = rx;
  Receiver late = tx.subscribe();
  EXPECT_EQ(tx.statistics().receivers, 3u);
  EXPECT_TRUE(copy.has_changed());
  EXPECT_FALSE(late.has_changed());
  (void)rx.read();
  EXPECT_TRUE(copy.has_changed());
}

TEST_F(WatchTest, WhenTheSenderIsGoneNewsComesFirst) {
  auto [tx, rx] = watch::channel(1, "level");
  tx.send(2);
  { auto gone = std::move(tx); }
  auto news = scope.spawn(cx, next_of, unsafe_send(&rx)).value();
  EXPECT_EQ(s.run(news.join(cx)).value(), 2);
  auto none = scope.spawn(cx, next_of, unsafe_send(&rx)).value();
  auto outcome = s.run(none.join(cx));
  ASSERT_TRUE(outcome.is_err());
  EXPECT_EQ(outcome.error().code(), ErrorCode::Disconnected);
  EXPECT_EQ(outcome.error().message(),
            "watch level: the sender is gone, and its last value was seen: it will not change");
  EXPECT_EQ(*rx.read(), 2);
}

TEST_F(WatchTest, AWaitingReceiverLearnsThatTheSenderIsGone) {
  auto [tx, rx] = watch::channel(1);
  auto waiting = scope.spawn(cx, next_of, unsafe_send(&rx)).value();
  s.run_until_idle();
  { auto gone = std::move(tx); }
  EXPECT_EQ(s.run(waiting.join(cx)).error().code(), ErrorCode::Disconnected);
}

// ---- wait_for ----

TEST_F(WatchTest, WaitForEndsWithTheFirstThatHolds) {
  auto [tx, rx] = watch::channel(1);
  auto above_five = [](Cx mine, Receiver* from) -> Task<int> {
    auto value = co_await from->wait_for(mine, [](int x) { return x > 5; });
    co_return *value;
  };
  auto waiting = scope.spawn(cx, above_five, unsafe_send(&rx)).value();
  for (int i : {3, 5, 6}) {
    s.run_until_idle();
    EXPECT_FALSE(waiting.is_finished());
    tx.send(i);
  }
  EXPECT_EQ(s.run(waiting.join(cx)).value(), 6);
  auto at_once = scope.spawn(cx, above_five, unsafe_send(&rx)).value();
  EXPECT_EQ(s.run(at_once.join(cx)).value(), 6) << "the latest may hold already";
  tx.send(0);
  auto never = scope.spawn(cx, above_five, unsafe_send(&rx)).value();
  s.run_until_idle();
  { auto gone = std::move(tx); }
  EXPECT_EQ(s.run(never.join(cx)).error().code(), ErrorCode::Disconnected);
}

TEST_F(WatchTest, APredicateThatThrowsPanicsTheTask) {
  auto [tx, rx] = watch::channel(1);
  auto throws = [](Cx mine, Receiver* from) -> Task<> {
    (void)co_await from->wait_for(mine, [](int) -> bool { throw std::runtime_error("boom"); });
  };
  auto handle = scope.spawn(cx, throws, unsafe_send(&rx)).value();
  EXPECT_TRUE(s.run(handle.join(cx)).is_panicked());
}

// ---- cancellation ----

TEST_F(WatchTest, AWaitThatIsCancelledHasSeenNothing) {
  auto [tx, rx] = watch::channel(1);
  auto waiting = scope.spawn(cx, next_of, unsafe_send(&rx)).value();
  s.run_until_idle();
  waiting.abort();
  EXPECT_TRUE(s.run(waiting.join(cx)).is_cancelled());
  EXPECT_EQ(tx.statistics().waiters, 0u);
  tx.send(2);
  auto refused = scope.spawn(cx, next_of, unsafe_send(&rx)).value();
  refused.abort();
  EXPECT_TRUE(s.run(refused.join(cx)).is_cancelled());
  EXPECT_TRUE(rx.has_changed());
}

TEST_F(WatchTest, WaitForIsACancelPointAlsoWhenItHolds) {
  auto [tx, rx] = watch::channel(1);
  auto any = [](Cx mine, Receiver* from) -> Task<> {
    (void)co_await from->wait_for(mine, [](int) { return true; });
  };
  auto refused = scope.spawn(cx, any, unsafe_send(&rx)).value();
  refused.abort();
  EXPECT_TRUE(s.run(refused.join(cx)).is_cancelled());
  auto none = [](Cx mine, Receiver* from) -> Task<> {
    (void)co_await from->wait_for(mine, [](int) { return false; });
  };
  auto waiting = scope.spawn(cx, none, unsafe_send(&rx)).value();
  s.run_until_idle();
  waiting.abort();
  EXPECT_TRUE(s.run(waiting.join(cx)).is_cancelled());
  EXPECT_EQ(tx.statistics().waiters, 0u);
}

TEST_F(WatchTest, ChangedTakesPartInSelect) {
  auto [tx, rx] = watch::channel(1);
  auto chooses = [](Cx mine, Receiver* from) -> Task<std::size_t> {
    auto first = co_await select(mine, from->changed(), mine.sleep(1s));
    co_return first.index();
  };
  auto times_out = scope.spawn(cx, chooses, unsafe_send(&rx)).value();
  EXPECT_EQ(s.run(times_out.join(cx)).value(), 1u);
  auto sees = scope.spawn(cx, chooses, unsafe_send(&rx)).value();
  s.run_until_idle();
  tx.send(2);
  EXPECT_EQ(s.run(sees.join(cx)).value(), 0u);
}

TEST_F(WatchTest, TwoTasksOnOneReceiverAreToldSo) {
  auto [tx, rx] = watch::channel(1);
  auto first = scope.spawn(cx, next_of, unsafe_send(&rx)).value();
  auto second = scope.spawn(cx, next_of, unsafe_send(&rx)).value();
  s.run_until_idle();
  tx.send(2);
  EXPECT_EQ(s.run(first.join(cx)).value(), 2);
  EXPECT_EQ(s.run(second.join(cx)).error().code(), ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace quiesce::testing
