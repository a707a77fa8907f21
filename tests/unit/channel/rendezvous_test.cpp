#include "quiesce/channel/rendezvous.hpp"

#include <string>

#include "quiesce/select.hpp"
#include "unit/channel/support.hpp"

namespace quiesce::channel_tests {
namespace {

using namespace std::chrono_literals;
using Tx = rendezvous::Sender<int>;
using Rx = rendezvous::Receiver<int>;
using Rendezvous = ChannelTest;

Task<> reserve_and_send(Cx cx, Tx tx, int message) {
  auto permit = co_await tx.reserve(cx);
  permit.send(message);
}

TEST_F(Rendezvous, ASendCompletesWhenTheMessageIsTaken) {
  auto [tx, rx] = rendezvous::channel<int>();
  auto sender = start(send_one<Tx, int>, tx, 1);
  EXPECT_FALSE(has_ended(sender));
  EXPECT_EQ(tx.len(), 0u);
  EXPECT_EQ(tx.capacity(), 0u);
  auto reader = start(receive_one<Rx>, rx);
  EXPECT_EQ(ended(reader).value(), 1);
  EXPECT_TRUE(ended(sender).is_ok());
}

TEST_F(Rendezvous, ATryFindsOnlyWhoWaits) {
  auto [tx, rx] = rendezvous::channel<int>();
  auto refused = tx.try_send(1);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_full());
  EXPECT_EQ(refused.error().value, 1);
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::empty);
  auto sender = start(send_one<Tx, int>, tx, 2);
  EXPECT_EQ(rx.try_recv().value(), 2);
  EXPECT_TRUE(ended(sender).is_ok());
  auto reader = start(receive_one<Rx>, rx);
  EXPECT_TRUE(tx.try_send(3));
  EXPECT_FALSE(tx.try_send(4)) << "it has one already";
  EXPECT_EQ(ended(reader).value(), 3);
}

TEST_F(Rendezvous, BothSidesAreServedInTurn) {
  auto [tx, rx] = rendezvous::channel<int>();
  auto a = start(send_one<Tx, int>, tx, 1), b = start(send_one<Tx, int>, tx, 2);
  auto first = start(receive_one<Rx>, rx), second = start(receive_one<Rx>, rx),
       third = start(receive_one<Rx>, rx);
  EXPECT_EQ(ended(first).value(), 1);
  EXPECT_EQ(ended(second).value(), 2);
  auto c = start(send_one<Tx, int>, tx, 3);
  EXPECT_EQ(ended(third).value(), 3);
  EXPECT_TRUE(ended(a).is_ok() && ended(b).is_ok() && ended(c).is_ok());
}

TEST_F(Rendezvous, ACancelledSideLeavesTheOtherWaiting) {
  int alive = 0;
  auto [tx, rx] = rendezvous::channel<Counted>();
  auto sender = start(send_one<rendezvous::Sender<Counted>, Counted>, tx, Counted(1, alive));
  cancel(sender);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::empty);
  auto reads = [](Cx mine, rendezvous::Receiver<Counted> from) -> Task<> { (void)co_await from.recv(mine); };
  auto reader = start(reads, rx);
  cancel(reader);
  EXPECT_EQ(tx.statistics().waiters, 0u);
  auto refused = tx.try_send(Counted(2, alive));
  EXPECT_FALSE(refused);
}

Task<int> receive_counted(Cx cx, rendezvous::Receiver<Counted> rx) {
  auto message = co_await rx.recv(cx);
  co_return message ? message->value() : -1;
}

TEST_F(Rendezvous, AMessageGoesPastAReceiverThatIsBeingCancelled) {
  int alive = 0;
  auto [tx, rx] = rendezvous::channel<Counted>();
  auto first = start(receive_counted, rx), second = start(receive_counted, rx);
  first.abort();
  EXPECT_TRUE(tx.try_send(Counted(1, alive)));
  EXPECT_EQ(ended(second).value(), 1);
  EXPECT_TRUE(ended(first).is_cancelled());
  EXPECT_EQ(alive, 0);

  auto last = start(receive_counted, rx);
  last.abort();
  auto refused = tx.try_send(Counted(2, alive));
  ASSERT_FALSE(refused) << "nobody was left to take it";
  EXPECT_EQ(refused.error().value.value(), 2);
}

// As above, but with both sides in their lists.
TEST_F(Rendezvous, WaitersThatAreBeingCancelledArePassedOver) {
  int alive = 0;
  auto [tx, rx] = rendezvous::channel<Counted>();
  using End = rendezvous::Sender<Counted>;
  auto keeper = start(reserve_and_keep<End>, tx);
  auto first = start(receive_counted, rx), second = start(receive_counted, rx);
  auto a = start(send_one<End, Counted>, tx, Counted(1, alive));
  auto b = start(send_one<End, Counted>, tx, Counted(2, alive));
  EXPECT_EQ(tx.statistics().waiters, 4u);
  keeper.abort();  // it is stepped first, and drops the permit while the two below are still in their lists
  a.abort();
  first.abort();
  s.run_until_idle();
  EXPECT_EQ(ended(second).value(), 2);
  EXPECT_TRUE(ended(b).is_ok());
  EXPECT_TRUE(ended(a).is_cancelled() && ended(first).is_cancelled());
  EXPECT_EQ(alive, 0);
}

// The sender's claim is won, and then every receiver turns out to be cancelled: the message waits for the next.
TEST_F(Rendezvous, AMessageWhoseReceiversAreAllBeingCancelledStaysForTheNext) {
  int alive = 0;
  auto [tx, rx] = rendezvous::channel<Counted>();
  using End = rendezvous::Sender<Counted>;
  auto keeper = start(reserve_and_keep<End>, tx);
  auto reader = start(receive_counted, rx);
  auto sender = start(send_one<End, Counted>, tx, Counted(1, alive));
  keeper.abort();
  reader.abort();
  s.run_until_idle();
  EXPECT_TRUE(ended(sender).is_ok());
  EXPECT_TRUE(ended(reader).is_cancelled());
  EXPECT_EQ(tx.len(), 1u);
  EXPECT_EQ(rx.try_recv()->value(), 1);
  EXPECT_EQ(alive, 0);
}

TEST_F(Rendezvous, AMessageIsTakenPastASenderThatIsBeingCancelled) {
  int alive = 0;
  auto [tx, rx] = rendezvous::channel<Counted>();
  using End = rendezvous::Sender<Counted>;
  auto first = start(send_one<End, Counted>, tx, Counted(1, alive));
  auto second = start(send_one<End, Counted>, tx, Counted(2, alive));
  first.abort();
  EXPECT_EQ(rx.try_recv()->value(), 2);
  EXPECT_TRUE(ended(first).is_cancelled());
  EXPECT_TRUE(ended(second).is_ok());
  EXPECT_EQ(alive, 0);
}

TEST_F(Rendezvous, APermitIsGivenWhileAReceiverWaits) {
  auto [tx, rx] = rendezvous::channel<int>();
  auto reserver = start(reserve_and_keep<Tx>, tx);
  EXPECT_EQ(owed(), 0u);
  auto reader = start(receive_one<Rx>, rx);
  EXPECT_EQ(owed(), 1u);
  EXPECT_FALSE(has_ended(reader));
  auto sender = start(send_one<Tx, int>, tx, 2);
  EXPECT_FALSE(has_ended(sender)) << "the receiver is the permit's";
  cancel(reserver);
  s.run_until_idle();
  EXPECT_EQ(ended(reader).value(), 2);
  EXPECT_TRUE(ended(sender).is_ok());
  EXPECT_EQ(owed(), 0u);
}

TEST_F(Rendezvous, ACancelledReserveLeavesTheReceiverToTheNext) {
  auto [tx, rx] = rendezvous::channel<int>();
  auto first = start(reserve_and_send, tx, 1), second = start(reserve_and_send, tx, 2);
  cancel(first);
  auto reader = start(receive_one<Rx>, rx);
  EXPECT_EQ(ended(reader).value(), 2);
  EXPECT_TRUE(ended(second).is_ok());
  EXPECT_EQ(tx.statistics().reserved, 0u);
}

TEST_F(Rendezvous, APermitSendsToTheReceiver) {
  auto [tx, rx] = rendezvous::channel<int>();
  auto first = start(reserve_and_send, tx, 1), second = start(reserve_and_send, tx, 2);
  auto reader = start(receive_one<Rx>, rx);
  EXPECT_EQ(ended(reader).value(), 1);
  EXPECT_FALSE(has_ended(second));
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::empty) << "a reservation must see a receiver wait";
  auto another = start(receive_one<Rx>, rx);
  EXPECT_EQ(ended(another).value(), 2);
}

TEST_F(Rendezvous, WhatAPermitSendsAfterItsReceiverWasCancelledStaysForTheNext) {
  int alive = 0;
  auto [tx, rx] = rendezvous::channel<Counted>();
  auto reads = [](Cx mine, rendezvous::Receiver<Counted> from) -> Task<> { (void)co_await from.recv(mine); };
  auto reader = start(reads, rx);
  auto body = [&](Cx mine) -> Task<> {
    auto permit = co_await tx.reserve(mine);
    reader.abort();
    co_await mine.yield();
    co_await mine.yield();
    EXPECT_EQ(tx.statistics().waiters, 0u);
    EXPECT_TRUE(permit.send(Counted(5, alive)));
  };
  EXPECT_TRUE(s.run(body(cx)).is_ok());
  EXPECT_EQ(tx.len(), 1u);
  EXPECT_FALSE(tx.try_send(Counted(6, alive)));
  EXPECT_EQ(rx.try_recv()->value(), 5);
  EXPECT_EQ(alive, 0);
}

TEST_F(Rendezvous, WhatNobodyReceivesIsDestroyedOnce) {
  int alive = 0;
  auto [tx, rx] = rendezvous::channel<Counted>();
  auto reads = [](Cx mine, rendezvous::Receiver<Counted> from) -> Task<> { (void)co_await from.recv(mine); };
  auto reader = start(reads, rx);
  auto body = [&](Cx mine) -> Task<> {
    auto permit = co_await tx.reserve(mine);
    reader.abort();
    co_await mine.yield();
    co_await mine.yield();
    permit.send(Counted(5, alive));
  };
  EXPECT_TRUE(s.run(body(cx)).is_ok());
  EXPECT_EQ(alive, 1);
  { auto gone = std::move(rx); }
  EXPECT_EQ(alive, 0);
}

TEST_F(Rendezvous, EitherSideLearnsThatTheOtherIsGone) {
  auto [tx, rx] = rendezvous::channel<int>("counter");
  auto sender = start(send_one<Tx, int>, tx, 1);
  auto reserver = start(reserve_and_send, tx, 1);
  auto watcher = start(wait_closed<Tx>, tx);
  { Rx gone = std::move(rx); }
  s.run_until_idle();
  auto refused = ended(sender);
  EXPECT_EQ(refused.error().code(), ErrorCode::Disconnected);
  EXPECT_NE(refused.error().message().find("rendezvous channel \"counter\": its receivers"), std::string::npos);
  EXPECT_EQ(ended(reserver).error().code(), ErrorCode::Disconnected);
  EXPECT_TRUE(ended(watcher).is_ok());
  EXPECT_TRUE(tx.try_send(1).error().disconnected);

  auto [tx2, rx2] = rendezvous::channel<int>();
  auto reader = start(receive_all<Rx>, std::move(rx2));
  { Tx gone = std::move(tx2); }
  EXPECT_EQ(ended(reader).value(), "");
}

TEST_F(Rendezvous, ClosingRefusesWaitingSendersAndEndsReceivers) {
  auto [tx, rx] = rendezvous::channel<int>();
  auto sender = start(send_one<Tx, int>, tx, 1);
  rx.close();
  EXPECT_EQ(ended(sender).error().code(), ErrorCode::Disconnected);
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::disconnected);
  auto reader = start(receive_one<Rx>, rx);
  EXPECT_EQ(ended(reader).value(), -1);
}

TEST_F(Rendezvous, ASelectOfBothSidesDoesNotMeetItself) {
  auto [tx, rx] = rendezvous::channel<int>();
  auto both = [](Cx mine, Tx to, Rx from, int message) -> Task<int> {
    auto first = co_await select(mine, to.send(message), from.recv());
    auto* received = std::get_if<1>(&first);
    co_return received != nullptr ? received->value() : 0;
  };
  auto one = start(both, tx, rx, 1);
  EXPECT_FALSE(has_ended(one));
  auto two = start(both, tx, rx, 2);
  const int a = ended(one).value(), b = ended(two).value();
  EXPECT_TRUE((a == 0 && b == 1) || (a == 2 && b == 0)) << a << " " << b;
  EXPECT_EQ(tx.statistics().waiters, 0u);
  EXPECT_EQ(tx.len(), 0u);
}

// While a permit is out both sides gather; when it is dropped they are matched, waiter with waiter.
TEST_F(Rendezvous, WaitersOfBothSidesAreMatchedWhenAPermitIsDropped) {
  auto [tx, rx] = rendezvous::channel<int>();
  auto keeper = start(reserve_and_keep<Tx>, tx);
  auto first = start(receive_one<Rx>, rx);
  auto a = start(send_one<Tx, int>, tx, 1), b = start(send_one<Tx, int>, tx, 2);
  auto second = start(receive_one<Rx>, rx);
  EXPECT_EQ(tx.statistics().waiters, 4u);
  cancel(keeper);
  EXPECT_EQ(ended(first).value(), 1);
  EXPECT_EQ(ended(second).value(), 2);
  EXPECT_TRUE(ended(a).is_ok() && ended(b).is_ok());
  EXPECT_EQ(tx.statistics().waiters, 0u);
}

TEST_F(Rendezvous, WhoeverIsCancelledDoesNothingAlsoWhereItCould) {
  auto [tx, rx] = rendezvous::channel<int>();
  auto reader = start(receive_one<Rx>, rx);
  auto body = [&](Cx mine, Scope<>& inner) -> Task<> {
    inner.cancel(CancelReason::user("no more"));
    auto sent = co_await tx.send(mine, 1).outcome();
    auto reserved = co_await tx.reserve(mine).outcome();
    EXPECT_TRUE(sent.is_cancelled() && reserved.is_cancelled());
  };
  auto outer = [&](Cx mine) -> Task<> { (void)co_await region(mine, FailFast{}, body).outcome(); };
  EXPECT_TRUE(s.run(outer(cx)).is_ok());
  EXPECT_FALSE(has_ended(reader));
  EXPECT_TRUE(tx.try_send(2));
  EXPECT_EQ(ended(reader).value(), 2);
}

}  // namespace
}  // namespace quiesce::channel_tests
