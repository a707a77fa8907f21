#include "quiesce/channel/mpsc.hpp"

#include <string>
#include <vector>

#include "quiesce/select.hpp"
#include "unit/channel/support.hpp"

namespace quiesce::channel_tests {
namespace {

using namespace std::chrono_literals;
using Tx = mpsc::Sender<int>;
using Rx = mpsc::Receiver<int>;
using Mpsc = ChannelTest;

static_assert(std::copyable<Tx> && std::movable<Rx> && !std::copyable<Rx>);
static_assert(Sendable<Tx> && Sendable<Rx> && !Sendable<mpsc::Sender<int*>> &&
              !Sendable<mpsc::SendPermit<int>>);

/// Reserves and sends what it is told.
Task<> reserve_and_send(Cx cx, Tx tx, int message) {
  auto permit = co_await tx.reserve(cx);
  permit.send(message);
}

// ---- order, room, the end ----

TEST_F(Mpsc, MessagesComeInTheOrderInWhichTheyWereSent) {
  auto [tx, rx] = mpsc::channel<int>(3);
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(tx.try_send(i));
  EXPECT_EQ(tx.len(), 3u);
  EXPECT_EQ(tx.capacity(), 3u);
  for (int round = 0; round < 5; ++round) {  // around the ring
    EXPECT_EQ(rx.try_recv().value(), round + 1);
    EXPECT_TRUE(tx.try_send(round + 4));
  }
  for (int i = 6; i <= 8; ++i) EXPECT_EQ(rx.try_recv().value(), i);
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::empty);
}

TEST_F(Mpsc, AFullChannelHandsTheMessageBack) {
  auto [tx, rx] = mpsc::channel<std::unique_ptr<int>>(1);
  EXPECT_TRUE(tx.try_send(std::make_unique<int>(1)));
  auto refused = tx.try_send(std::make_unique<int>(2));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_full());
  EXPECT_EQ(*refused.error().value, 2);
  EXPECT_EQ(*rx.try_recv().value(), 1);
}

TEST_F(Mpsc, ASenderWaitsForRoomAndIsServedInTurn) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto first = start(send_one<Tx, int>, tx, 1);
  auto second = start(send_one<Tx, int>, tx, 2), third = start(send_one<Tx, int>, tx, 3);
  EXPECT_TRUE(has_ended(first));
  EXPECT_FALSE(has_ended(second) || has_ended(third));
  EXPECT_EQ(tx.statistics().waiters, 2u);
  EXPECT_EQ(rx.try_recv().value(), 1);
  EXPECT_FALSE(tx.try_send(9)) << "the room is the second's";
  s.run_until_idle();
  EXPECT_TRUE(has_ended(second));
  EXPECT_FALSE(has_ended(third));
  EXPECT_EQ(rx.try_recv().value(), 2);
  s.run_until_idle();
  EXPECT_EQ(rx.try_recv().value(), 3);
  EXPECT_EQ(tx.statistics().waited, 2u);
}

TEST_F(Mpsc, TheEndComesAfterWhatWasSent) {
  auto [tx, rx] = mpsc::channel<int>(4);
  {
    Tx gone = std::move(tx), copy = gone;
    EXPECT_TRUE(gone.same_channel(copy));
    EXPECT_EQ(copy.statistics().senders, 2u);
    EXPECT_TRUE(copy.try_send(1) && gone.try_send(2));
  }
  auto reader = start(receive_all<Rx>, std::move(rx));
  EXPECT_EQ(ended(reader).value(), "12");
}

TEST_F(Mpsc, AWaitingReceiverLearnsThatTheLastSenderHasGone) {
  auto [tx, rx] = mpsc::channel<int>(4);
  auto reader = start(receive_all<Rx>, std::move(rx));
  EXPECT_FALSE(has_ended(reader));
  { Tx gone = std::move(tx); }
  EXPECT_EQ(ended(reader).value(), "");
}

TEST_F(Mpsc, TheEndIsGivenAgainAndAgain) {
  auto [tx, rx] = mpsc::channel<int>(4);
  { Tx gone = std::move(tx); }
  for (int i = 0; i < 2; ++i) EXPECT_EQ(rx.try_recv().error(), TryRecvError::disconnected);
  auto twice = [](Cx mine, Rx& from) -> Task<int> {
    auto first = co_await from.recv(mine);
    auto second = co_await from.recv(mine);
    co_return (first ? 1 : 0) + (second ? 1 : 0);
  };
  EXPECT_EQ(s.run(twice(cx, rx)).value(), 0);
}

// ---- two phases ----

TEST_F(Mpsc, APermitIsAnObligationUntilItIsUsed) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto body = [&](Cx mine) -> Task<> {
    auto permit = co_await tx.reserve(mine);
    EXPECT_TRUE(permit);
    EXPECT_EQ(owed(), 1u);
    EXPECT_EQ(tx.statistics().reserved, 1u);
    EXPECT_FALSE(tx.try_send(9)) << "the place is the permit's";
    EXPECT_FALSE(tx.try_reserve());
    EXPECT_TRUE(permit.send(1));
    EXPECT_FALSE(permit);
    EXPECT_EQ(owed(), 0u);
  };
  EXPECT_TRUE(s.run(body(cx)).is_ok());
  EXPECT_EQ(rx.try_recv().value(), 1);
}

TEST_F(Mpsc, ADroppedPermitGivesItsPlaceToTheNext) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto keeper = start(reserve_and_keep<Tx>, tx);
  auto next = start(reserve_and_send, tx, 2);
  EXPECT_FALSE(has_ended(next));
  EXPECT_EQ(owed(), 1u);
  cancel(keeper);
  EXPECT_TRUE(has_ended(next));
  EXPECT_EQ(rx.try_recv().value(), 2);
  EXPECT_EQ(owed(), 0u);
  EXPECT_EQ(tx.statistics().reserved, 0u);
}

TEST_F(Mpsc, AUsedPermitHandsTheMessageBack) {
  auto [tx, rx] = mpsc::channel<int>(2);
  auto body = [&](Cx mine) -> Task<> {
    auto permit = co_await tx.reserve(mine);
    permit.send(1);
    auto again = permit.send(2);
    if (again) co_return;
    EXPECT_EQ(again.error().value, 2);
    EXPECT_EQ(again.error().error.code(), ErrorCode::ObligationMoved);
    EXPECT_EQ(again.error().error.message(),
              "a permit to send was used before, or moved from: reserve another");
    permit = co_await tx.reserve(mine);
    permit.release();
    EXPECT_FALSE(permit);
  };
  EXPECT_TRUE(s.run(body(cx)).is_ok());
  EXPECT_EQ(tx.len(), 1u);
  EXPECT_EQ(tx.statistics().reserved, 0u);
}

TEST_F(Mpsc, APermitWhoseReceiversAreGoneHandsTheMessageBack) {
  auto [tx, rx] = mpsc::channel<std::unique_ptr<int>>(1);
  auto body = [&, end = &rx](Cx mine) -> Task<> {
    auto permit = co_await tx.reserve(mine);
    { auto gone = std::move(*end); }
    auto sent = permit.send(std::make_unique<int>(7));
    if (sent) co_return;
    EXPECT_EQ(*sent.error().value, 7);
    EXPECT_EQ(sent.error().error.code(), ErrorCode::Disconnected);
    EXPECT_EQ(sent.error().error.message(),
              "a permit to send: every receiver of its channel is gone, so the message comes back");
    EXPECT_FALSE(permit);
    EXPECT_EQ(owed(), 0u);
  };
  EXPECT_TRUE(s.run(body(cx)).is_ok());
  EXPECT_EQ(tx.statistics().reserved, 0u);
}

TEST_F(Mpsc, APermitIsUsedByItsHolderOnly) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto body = [&](Cx mine) -> Task<> {
    auto permit = co_await tx.reserve(mine);
    auto other = [&](Cx) -> Task<> {
      auto sent = permit.send(3);
      EXPECT_FALSE(sent);
      EXPECT_EQ(sent.error().error.code(), ErrorCode::ForeignContext);
      EXPECT_EQ(sent.error().value, 3);
      co_return;
    };
    auto handle = co_await scope.spawn(mine, unsafe_send(other));
    co_await handle.join(mine);
    EXPECT_TRUE(permit.send(4));
  };
  auto holder = start(body);
  EXPECT_TRUE(ended(holder).is_ok());
  EXPECT_EQ(rx.try_recv().value(), 4);
}

TEST_F(Mpsc, APermitOutlivesTheEnds) {
  int alive = 0;
  auto body = [&](Cx mine) -> Task<> {
    auto ends =
        std::make_unique<std::pair<mpsc::Sender<Counted>, mpsc::Receiver<Counted>>>(mpsc::channel<Counted>(1));
    auto permit = co_await ends->first.reserve(mine);
    ends.reset();
    EXPECT_FALSE(permit.send(Counted(1, alive)));
  };
  EXPECT_TRUE(s.run(body(cx)).is_ok());
  EXPECT_EQ(alive, 0);
}

TEST_F(Mpsc, AReservationThatTheRegionRefusesLeavesThePlaceFree) {
  auto [tx, rx] = mpsc::channel<int>(1);
  RegionLimits limits;
  limits.max_obligations = 0;
  s.set_limits(root, limits);
  auto body = [&](Cx mine) -> Task<> {
    auto refused = co_await tx.reserve(mine).outcome();
    EXPECT_TRUE(refused.is_err());
    EXPECT_EQ(refused.error().code(), ErrorCode::RegionAtCapacity);
  };
  EXPECT_TRUE(s.run(body(cx)).is_ok());
  EXPECT_TRUE(tx.try_send(1));
}

TEST_F(Mpsc, AReservationOutsideOfATaskIsRefused) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto refused = tx.try_reserve();
  ASSERT_TRUE(refused && refused->is_err());
  EXPECT_EQ(refused->error().code(), ErrorCode::ForeignContext);
  EXPECT_EQ(refused->error().message(),
            "a place in a channel is reserved by a task, which owes it, and none runs here: use try_send");
  EXPECT_TRUE(tx.try_send(1));
}

// ---- closing ----

TEST_F(Mpsc, AClosedChannelRefusesSendersAndDeliversTheRest) {
  auto [tx, rx] = mpsc::channel<int>(3, "jobs");
  EXPECT_TRUE(tx.try_send(1));
  auto body = [&, end = &rx](Cx mine) -> Task<> {
    auto permit = co_await tx.reserve(mine);
    end->close();
    EXPECT_TRUE(tx.is_closed());
    auto refused = co_await tx.send(mine, 9).outcome();
    EXPECT_TRUE(refused.is_err());
    EXPECT_EQ(refused.error().code(), ErrorCode::Disconnected);
    EXPECT_EQ(refused.error().message(),
              "mpsc channel \"jobs\": its receivers have closed it or are gone, so nobody would receive the "
              "message: stop sending");
    auto no_permit = co_await tx.reserve(mine).outcome();
    EXPECT_TRUE(no_permit.is_err());
    EXPECT_EQ(end->try_recv().value(), 1);
    EXPECT_EQ(end->try_recv().error(), TryRecvError::empty) << "the permit may still send";
    EXPECT_TRUE(permit.send(2));
    EXPECT_EQ(end->try_recv().value(), 2);
    EXPECT_EQ(end->try_recv().error(), TryRecvError::disconnected);
  };
  EXPECT_TRUE(s.run(body(cx)).is_ok());
  auto refused = tx.try_send(3);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().disconnected);
}

TEST_F(Mpsc, ClosingWakesThoseWhoWaitForRoom) {
  auto [tx, rx] = mpsc::channel<int>(1);
  EXPECT_TRUE(tx.try_send(1));
  auto sender = start(send_one<Tx, int>, tx, 2);
  auto reserver = start(reserve_and_send, tx, 3);
  auto watcher = start(wait_closed<Tx>, tx);
  EXPECT_EQ(tx.statistics().waiters, 3u);
  rx.close();
  s.run_until_idle();
  EXPECT_EQ(ended(sender).error().code(), ErrorCode::Disconnected);
  EXPECT_EQ(ended(reserver).error().code(), ErrorCode::Disconnected);
  EXPECT_TRUE(ended(watcher).is_ok());
  EXPECT_EQ(tx.len(), 1u) << "what was sent is still there";
}

TEST_F(Mpsc, SendersLearnThatTheReceiverHasGone) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto watcher = start(wait_closed<Tx>, tx);
  EXPECT_TRUE(tx.try_send(1));
  auto sender = start(send_one<Tx, int>, tx, 2);
  EXPECT_FALSE(has_ended(watcher) || has_ended(sender));
  { Rx gone = std::move(rx); }
  s.run_until_idle();
  EXPECT_TRUE(ended(watcher).is_ok());
  EXPECT_EQ(ended(sender).error().code(), ErrorCode::Disconnected);
  EXPECT_TRUE(tx.is_closed());
  EXPECT_EQ(tx.statistics().receivers, 0u);
  auto late = start(wait_closed<Tx>, tx);
  EXPECT_TRUE(has_ended(late));
}

TEST_F(Mpsc, AReceiverWaitsForThePermitsThatSurviveTheirSenders) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto keeper = start(reserve_and_keep<Tx>, std::move(tx));
  auto reader = start(receive_all<Rx>, std::move(rx));
  EXPECT_FALSE(has_ended(reader));
  cancel(keeper);
  EXPECT_EQ(ended(reader).value(), "");
}

TEST_F(Mpsc, WhatNobodyReceivesIsDestroyedOnceWithTheLastReceiver) {
  int alive = 0;
  auto [tx, rx] = mpsc::channel<Counted>(3);
  EXPECT_TRUE(tx.try_send(Counted(0, alive)));
  EXPECT_EQ(rx.try_recv()->value(), 0);
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(tx.try_send(Counted(i, alive)));  // around the end of the ring
  EXPECT_EQ(alive, 3);
  { auto gone = std::move(rx); }
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(tx.len(), 0u);
}

// The destructor of a message uses the channel that it was in: it does not run under its lock.
TEST_F(Mpsc, MessagesAreDestroyedOutsideOfTheLock) {
  struct Looks {
    mpsc::Sender<int>* other;
    std::unique_ptr<mpsc::Sender<Looks>> own;
    Looks(mpsc::Sender<int>* o, std::unique_ptr<mpsc::Sender<Looks>> t) : other(o), own(std::move(t)) {}
    Looks(Looks&&) noexcept = default;
    ~Looks() {
      if (own != nullptr && own->is_closed()) (void)other->try_send(1);
    }
  };
  auto [counts, counted] = mpsc::channel<int>(4);
  auto [tx, rx] = mpsc::channel<Looks>(2);
  EXPECT_TRUE(tx.try_send(Looks(&counts, std::make_unique<mpsc::Sender<Looks>>(tx))));
  EXPECT_TRUE(tx.try_send(Looks(&counts, std::make_unique<mpsc::Sender<Looks>>(tx))));
  { auto last = std::move(tx); }
  { auto gone = std::move(rx); }  // the messages have the last senders
  EXPECT_EQ(counts.len(), 2u);
}

// ---- cancel ----

TEST_F(Mpsc, ACancelledSendHasNotSent) {
  int alive = 0;
  auto [tx, rx] = mpsc::channel<Counted>(1);
  EXPECT_TRUE(tx.try_send(Counted(1, alive)));
  auto sender = start(send_one<mpsc::Sender<Counted>, Counted>, tx, Counted(2, alive));
  EXPECT_EQ(alive, 2);
  cancel(sender);
  EXPECT_EQ(alive, 1) << "its message is destroyed with it";
  EXPECT_EQ(tx.statistics().waiters, 0u);
  EXPECT_EQ(rx.try_recv()->value(), 1);
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::empty);
}

TEST_F(Mpsc, ACancelledReserveLeavesNothingBehind) {
  auto [tx, rx] = mpsc::channel<int>(1);
  EXPECT_TRUE(tx.try_send(1));
  auto waiting = start(reserve_and_send, tx, 2);
  cancel(waiting);
  EXPECT_EQ(owed(), 0u);
  EXPECT_EQ(rx.try_recv().value(), 1);
  EXPECT_EQ(tx.statistics().reserved, 0u);
  EXPECT_TRUE(tx.try_send(3));
}

TEST_F(Mpsc, ACancelledRecvHasTakenNothing) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto reads = [](Cx mine, Rx* from) -> Task<int> { co_return (co_await from->recv(mine)).value(); };
  auto reader = start(reads, &rx);
  cancel(reader);
  EXPECT_EQ(tx.statistics().waiters, 0u);
  EXPECT_TRUE(tx.try_send(1));
  EXPECT_EQ(rx.try_recv().value(), 1);
}

TEST_F(Mpsc, ACancelledClosedLeavesTheList) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto watcher = start(wait_closed<Tx>, tx);
  cancel(watcher);
  EXPECT_EQ(tx.statistics().waiters, 0u);
}

TEST_F(Mpsc, WhoeverIsCancelledDoesNothingAlsoWhereItCould) {
  auto [tx, rx] = mpsc::channel<int>(2);
  auto body = [&, end = &rx](Cx mine, Scope<>& inner) -> Task<> {
    inner.cancel(CancelReason::user("no more"));
    auto sent = co_await tx.send(mine, 1).outcome();
    auto reserved = co_await tx.reserve(mine).outcome();
    auto received = co_await end->recv(mine).outcome();
    auto closed = co_await tx.closed(mine).outcome();
    EXPECT_TRUE(sent.is_cancelled() && reserved.is_cancelled() && received.is_cancelled() &&
                closed.is_cancelled());
  };
  auto outer = [&](Cx mine) -> Task<> { (void)co_await region(mine, FailFast{}, body).outcome(); };
  EXPECT_TRUE(s.run(outer(cx)).is_ok());
  EXPECT_EQ(tx.len(), 0u);
  EXPECT_EQ(owed(), 0u);
}

// ---- select ----

TEST_F(Mpsc, OneOperationOfASelectTakesEffect) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto [tx2, rx2] = mpsc::channel<int>(1);
  auto chooses = [](Cx mine, Rx* one, Tx* other) -> Task<std::size_t> {
    auto first = co_await select(mine, one->recv(), other->send(5), mine.sleep(1h));
    co_return first.index();
  };
  EXPECT_TRUE(tx2.try_send(4));
  auto receiving = start(chooses, &rx, &tx2);
  EXPECT_FALSE(has_ended(receiving));
  EXPECT_TRUE(tx.try_send(1));
  EXPECT_EQ(ended(receiving).value(), 0u);
  EXPECT_EQ(tx2.statistics().waiters, 0u);
  EXPECT_EQ(tx2.len(), 1u);

  auto sending = start(chooses, &rx, &tx2);
  EXPECT_EQ(rx2.try_recv().value(), 4);
  EXPECT_EQ(ended(sending).value(), 1u);
  EXPECT_EQ(rx2.try_recv().value(), 5);

  EXPECT_TRUE(tx2.try_send(6));
  auto refused = start(chooses, &rx, &tx2);
  rx2.close();
  EXPECT_EQ(ended(refused).error().code(), ErrorCode::Disconnected);
  EXPECT_EQ(tx.statistics().waiters, 0u);
  EXPECT_EQ(owed(), 0u);
}

TEST_F(Mpsc, ASelectedReservationIsAPermit) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto body = [&](Cx mine) -> Task<> {
    auto first = co_await select_biased(mine, tx.reserve(), mine.sleep(1h));
    if (auto* permit = std::get_if<0>(&first)) permit->send(3);
  };
  EXPECT_TRUE(s.run(body(cx)).is_ok());
  EXPECT_EQ(rx.try_recv().value(), 3);
}

// ---- unbounded ----

TEST_F(Mpsc, AnUnboundedSenderNeverWaits) {
  int alive = 0;
  auto [tx, rx] = mpsc::unbounded_channel<Counted>("log");
  int next = 0, sent = 0;
  for (int round = 0; round < 50; ++round) {  // over the ends of many blocks, with many or few in it
    for (int i = 0; i < 40 + round; ++i) EXPECT_TRUE(tx.send(Counted(sent++, alive)));
    EXPECT_EQ(tx.len(), static_cast<std::uint32_t>(sent - next));
    for (int i = 0; i < 45; ++i) {
      auto message = rx.try_recv();
      if (!message) break;
      EXPECT_EQ(message->value(), next++);
    }
  }
  EXPECT_EQ(alive, sent - next);
  EXPECT_GT(alive, 500);
  { auto gone = std::move(rx); }
  EXPECT_EQ(alive, 0);
  auto refused = tx.send(Counted(9, alive));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().value.value(), 9);
  EXPECT_EQ(refused.error().error.code(), ErrorCode::Disconnected);
  EXPECT_NE(refused.error().error.message().find("unbounded mpsc channel \"log\": its receivers"),
            std::string::npos);
}

TEST_F(Mpsc, AnUnboundedChannelIsEmptiedToItsEnd) {
  auto [tx, rx] = mpsc::unbounded_channel<int>();
  auto reader = start(receive_all<Rx>, std::move(rx));
  auto copy = tx;
  EXPECT_TRUE(tx.send(1) && copy.send(2));
  { auto gone = std::move(tx); }
  s.run_until_idle();
  EXPECT_FALSE(has_ended(reader));
  EXPECT_TRUE(copy.send(3));
  { auto gone = std::move(copy); }
  EXPECT_EQ(ended(reader).value(), "123");
}

TEST_F(Mpsc, AnUnboundedChannelIsClosedToo) {
  auto [tx, rx] = mpsc::unbounded_channel<int>();
  auto watcher = start(wait_closed<mpsc::UnboundedSender<int>>, tx);
  EXPECT_TRUE(tx.send(1));
  rx.close();
  EXPECT_FALSE(tx.send(2));
  EXPECT_TRUE(ended(watcher).is_ok());
  EXPECT_EQ(rx.try_recv().value(), 1);
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::disconnected);
}

// ---- misuse, looks ----

TEST_F(Mpsc, ACapacityOfZeroIsRefused) {
  try {
    (void)mpsc::channel<int>(0);
    FAIL() << "it was made";
  } catch (const UsageError& refused) {
    EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
    EXPECT_EQ(
        refused.error().message(),
        "mpsc channel: a capacity of 0 would let nobody send: give it 1 at least, or use rendezvous::channel, "
        "where a message goes from hand to hand");
  }
}

TEST_F(Mpsc, AnEndThatWasMovedFromSaysSo) {
  auto [tx, rx] = mpsc::channel<int>(1);
  Tx other = std::move(tx);
  Rx another = std::move(rx);
  try {
    (void)tx.try_send(1);
    FAIL() << "it was used";
  } catch (const UsageError& refused) {
    EXPECT_EQ(refused.error().message(),
              "a channel's sender was used after it had been moved from: use the one it was moved to");
  }
  EXPECT_THROW((void)rx.try_recv(), UsageError);
  tx = other;
  rx = std::move(another);
  EXPECT_TRUE(tx.try_send(1) && rx.try_recv());
}

TEST_F(Mpsc, StatisticsShowWhatThereIs) {
  auto [tx, rx] = mpsc::channel<int>(2);
  Tx copy = tx;
  auto keeper = start(reserve_and_keep<Tx>, tx);
  EXPECT_TRUE(tx.try_send(1));
  auto waiting = start(send_one<Tx, int>, tx, 2);
  ChannelStatistics look = rx.statistics();
  EXPECT_EQ(look.length, 1u);
  EXPECT_EQ(look.capacity, 2u);
  EXPECT_EQ(look.reserved, 1u);
  EXPECT_EQ(look.senders, 4u);
  EXPECT_EQ(look.receivers, 1u);
  EXPECT_EQ(look.waiters, 1u);
  EXPECT_EQ(look.waited, 1u);
  EXPECT_FALSE(look.is_closed);
  cancel(keeper);
  s.run_until_idle();
  EXPECT_TRUE(has_ended(waiting));
  EXPECT_EQ(rx.len(), 2u);
}

TEST_F(Mpsc, ATaskThatWaitsIsShownWithTheChannelsName) {
  auto [tx, rx] = mpsc::channel<int>(2, "jobs");
  auto reader = start(receive_one<Rx>, std::move(rx));
  EXPECT_EQ(s.task(reader.task_id())->waiting_for.substr(0, 22), "a message of a channel");
}

}  // namespace
}  // namespace quiesce::channel_tests
