#include "quiesce/channel/oneshot.hpp"

#include <string>

#include "quiesce/select.hpp"
#include "unit/channel/support.hpp"

namespace quiesce::channel_tests {
namespace {

using namespace std::chrono_literals;
using Tx = oneshot::Sender<int>;
using Rx = oneshot::Receiver<int>;
using Oneshot = ChannelTest;

static_assert(!std::copyable<Tx> && !std::copyable<Rx> && Sendable<Tx> && Sendable<Rx>);
static_assert(!Sendable<oneshot::Sender<int*>>);

Task<int> receive(Cx cx, Rx rx) { co_return co_await rx.recv(cx); }

TEST_F(Oneshot, TheValueIsReceivedWhoeverComesFirst) {
  auto [tx, rx] = oneshot::channel<int>();
  auto early = start(receive, std::move(rx));
  EXPECT_FALSE(has_ended(early));
  EXPECT_TRUE(tx.send(1));
  EXPECT_EQ(ended(early).value(), 1);

  auto [tx2, rx2] = oneshot::channel<int>();
  EXPECT_TRUE(tx2.send(2));
  auto late = start(receive, std::move(rx2));
  EXPECT_EQ(ended(late).value(), 2);
}

TEST_F(Oneshot, ASenderThatGoesWithoutSendingIsAnError) {
  auto [tx, rx] = oneshot::channel<int>("answer");
  auto waiting = start(receive, std::move(rx));
  { Tx gone = std::move(tx); }
  auto outcome = ended(waiting);
  ASSERT_TRUE(outcome.is_err());
  EXPECT_EQ(outcome.error().code(), ErrorCode::Disconnected);
  EXPECT_EQ(
      outcome.error().message(),
      "oneshot channel \"answer\": its sender is gone, or was refused, without having sent: no value comes");
}

TEST_F(Oneshot, ReceivingTwiceIsAnError) {
  auto [tx, rx] = oneshot::channel<int>("answer");
  EXPECT_TRUE(tx.send(1));
  auto body = [&, end = &rx](Cx mine) -> Task<> {
    EXPECT_EQ(co_await end->recv(mine), 1);
    auto again = co_await end->recv(mine).outcome();
    EXPECT_TRUE(again.is_err());
    EXPECT_EQ(again.error().code(), ErrorCode::PolledAfterCompletion);
    EXPECT_EQ(again.error().message(),
              "oneshot channel \"answer\": its value was received before: receive once, and keep the value");
  };
  EXPECT_TRUE(s.run(body(cx)).is_ok());
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::disconnected);
}

TEST_F(Oneshot, AValueThatNobodyReceivesComesBack) {
  auto [tx, rx] = oneshot::channel<std::unique_ptr<int>>("answer");
  { auto gone = std::move(rx); }
  EXPECT_TRUE(tx.is_closed());
  auto refused = tx.send(std::make_unique<int>(3));
  ASSERT_FALSE(refused);
  EXPECT_EQ(*refused.error().value, 3);
  EXPECT_EQ(refused.error().error.code(), ErrorCode::Disconnected);
  EXPECT_NE(refused.error().error.message().find("oneshot channel \"answer\": its receivers"),
            std::string::npos);
}

TEST_F(Oneshot, AUsedSenderSaysSo) {
  auto [tx, rx] = oneshot::channel<int>();
  EXPECT_TRUE(tx.send(1));
  auto again = tx.send(2);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().value, 2);
  EXPECT_EQ(again.error().error.code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(again.error().error.message(),
            "oneshot channel: its sender has sent before, or was moved from: it sends one value");
  EXPECT_THROW((void)tx.is_closed(), UsageError);
  EXPECT_EQ(rx.try_recv().value(), 1);
}

TEST_F(Oneshot, AValueThatWasSentIsDestroyedOnce) {
  int alive = 0;
  auto [tx, rx] = oneshot::channel<Counted>();
  EXPECT_TRUE(tx.send(Counted(1, alive)));
  EXPECT_EQ(alive, 1);
  { auto gone = std::move(rx); }
  EXPECT_EQ(alive, 0);
}

TEST_F(Oneshot, ASenderMayWaitUntilNobodyWantsTheValue) {
  auto [tx, rx] = oneshot::channel<int>();
  auto waits = [](Cx mine, Tx* end) -> Task<> { co_await end->closed(mine); };
  auto waiting = start(waits, &tx);
  auto cancelled = start(waits, &tx);
  cancel(cancelled);
  EXPECT_FALSE(has_ended(waiting));
  EXPECT_EQ(tx.statistics().waiters, 1u);
  { auto gone = std::move(rx); }
  EXPECT_TRUE(ended(waiting).is_ok());
}

TEST_F(Oneshot, AClosedReceiverRefusesTheSenderAndKeepsWhatWasSent) {
  auto [tx, rx] = oneshot::channel<int>();
  rx.close();
  EXPECT_TRUE(tx.is_closed());
  EXPECT_FALSE(tx.send(1));
  auto refused = start(receive, std::move(rx));
  EXPECT_EQ(ended(refused).error().code(), ErrorCode::Disconnected);

  auto [tx2, rx2] = oneshot::channel<int>();
  EXPECT_EQ(rx2.try_recv().error(), TryRecvError::empty);
  EXPECT_TRUE(tx2.send(2));
  rx2.close();
  EXPECT_EQ(rx2.try_recv().value(), 2);
}

TEST_F(Oneshot, ACancelledRecvMayBeRepeated) {
  auto [tx, rx] = oneshot::channel<int>();
  auto reads = [](Cx mine, Rx* from) -> Task<int> { co_return co_await from->recv(mine); };
  auto first = start(reads, &rx);
  cancel(first);
  EXPECT_EQ(rx.statistics().waiters, 0u);
  auto second = start(reads, &rx);
  EXPECT_TRUE(tx.send(4));
  EXPECT_EQ(ended(second).value(), 4);
}

TEST_F(Oneshot, TakesPartInASelect) {
  auto [tx, rx] = oneshot::channel<int>();
  auto [tx2, rx2] = oneshot::channel<int>();
  auto chooses = [](Cx mine, Rx* one, Rx* other, Tx* end) -> Task<std::size_t> {
    auto first = co_await select(mine, one->recv(), other->recv().outcome(), end->closed(), mine.sleep(1h));
    co_return first.index();
  };
  auto [tx3, rx3] = oneshot::channel<int>();
  auto waiting = start(chooses, &rx, &rx2, &tx3);
  { Tx gone = std::move(tx2); }
  EXPECT_EQ(ended(waiting).value(), 1u) << "shown as an outcome, the failure is an answer";
  EXPECT_TRUE(tx.send(1));
  EXPECT_EQ(rx.try_recv().value(), 1);
}

TEST_F(Oneshot, ARequestBeforeRecvLeavesTheValue) {
  auto [tx, rx] = oneshot::channel<int>();
  EXPECT_TRUE(tx.send(1));
  auto body = [&, end = &rx](Cx mine, Scope<>& inner) -> Task<> {
    inner.cancel(CancelReason::user("no more"));
    auto received = co_await end->recv(mine).outcome();
    EXPECT_TRUE(received.is_cancelled());
  };
  auto outer = [&](Cx mine) -> Task<> { (void)co_await region(mine, FailFast{}, body).outcome(); };
  EXPECT_TRUE(s.run(outer(cx)).is_ok());
  EXPECT_EQ(rx.try_recv().value(), 1);
}

}  // namespace
}  // namespace quiesce::channel_tests
