#include "quiesce/channel/mpmc.hpp"

#include <string>
#include <vector>

#include "quiesce/select.hpp"
#include "unit/channel/support.hpp"

namespace quiesce::channel_tests {
namespace {

using namespace std::chrono_literals;
using Tx = mpmc::Sender<int>;
using Rx = mpmc::Receiver<int>;
using Mpmc = ChannelTest;

static_assert(std::copyable<Tx> && std::copyable<Rx>);

TEST_F(Mpmc, EachMessageGoesToOneReceiverInTheOrderInWhichTheyCame) {
  auto [tx, rx] = mpmc::channel<int>(4);
  auto first = start(receive_one<Rx>, rx), second = start(receive_one<Rx>, rx),
       third = start(receive_one<Rx>, rx);
  EXPECT_EQ(rx.statistics().receivers, 4u);
  EXPECT_EQ(rx.statistics().waiters, 3u);
  EXPECT_TRUE(tx.try_send(1) && tx.try_send(2));
  s.run_until_idle();
  EXPECT_EQ(ended(first).value(), 1);
  EXPECT_EQ(ended(second).value(), 2);
  EXPECT_FALSE(has_ended(third));
  EXPECT_TRUE(tx.try_send(3));
  EXPECT_EQ(ended(third).value(), 3);
  EXPECT_EQ(rx.statistics().receivers, 1u);
}

TEST_F(Mpmc, WhatIsGrantedToAWaitingReceiverIsNotTakenByAnother) {
  auto [tx, rx] = mpmc::channel<int>(4);
  auto waiting = start(receive_one<Rx>, rx);
  EXPECT_TRUE(tx.try_send(1));
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::empty);
  EXPECT_TRUE(tx.try_send(2));
  EXPECT_TRUE(rx.try_recv());
  s.run_until_idle();
  EXPECT_TRUE(has_ended(waiting));
}

TEST_F(Mpmc, AGrantAndARequestAreNeverBothTaken) {
  auto [tx, rx] = mpmc::channel<int>(4);
  auto first = start(receive_one<Rx>, rx), second = start(receive_one<Rx>, rx);
  first.abort();
  EXPECT_TRUE(tx.try_send(1));
  s.run_until_idle();
  EXPECT_TRUE(ended(first).is_cancelled());
  EXPECT_EQ(ended(second).value(), 1) << "the message passes over the one that was cancelled";
}

TEST_F(Mpmc, TheChannelIsAbandonedWithTheLastReceiverOnly) {
  auto [tx, rx] = mpmc::channel<int>(1);
  Rx copy = rx;
  EXPECT_TRUE(tx.try_send(1));
  auto sender = start(send_one<Tx, int>, tx, 2);
  { Rx gone = std::move(rx); }
  EXPECT_FALSE(tx.is_closed());
  copy = Rx(copy);
  EXPECT_EQ(copy.try_recv().value(), 1);
  EXPECT_TRUE(ended(sender).is_ok());
  { Rx gone = std::move(copy); }
  EXPECT_TRUE(tx.is_closed());
  EXPECT_EQ(tx.len(), 0u);
}

TEST_F(Mpmc, EveryReceiverIsToldOfTheEnd) {
  auto [tx, rx] = mpmc::channel<int>(4);
  auto first = start(receive_all<Rx>, rx), second = start(receive_all<Rx>, rx);
  EXPECT_TRUE(tx.try_send(1) && tx.try_send(2) && tx.try_send(3));
  { Tx gone = std::move(tx); }
  EXPECT_EQ((ended(first).value() + ended(second).value()).size(), 3u);
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::disconnected);
}

TEST_F(Mpmc, OneReceiverMayCloseForAll) {
  auto [tx, rx] = mpmc::channel<int>(4);
  auto waiting = start(receive_one<Rx>, rx);
  Rx copy = rx;
  copy.close();
  EXPECT_EQ(ended(waiting).value(), -1);
  EXPECT_FALSE(tx.try_send(1));
}

TEST_F(Mpmc, ACancelledReceiverTakesNothing) {
  auto [tx, rx] = mpmc::channel<int>(4);
  auto waiting = start(receive_one<Rx>, rx);
  cancel(waiting);
  EXPECT_TRUE(tx.try_send(1));
  EXPECT_EQ(rx.try_recv().value(), 1);
}

TEST_F(Mpmc, ACapacityOfZeroIsRefusedAndNamesTheChannel) {
  try {
    (void)mpmc::channel<int>(0);
    FAIL() << "it was made";
  } catch (const UsageError& refused) {
    EXPECT_EQ(refused.error().message().substr(0, 29), "mpmc channel: a capacity of 0");
  }
}

TEST_F(Mpmc, AMoveOnlyMessageIsSentInTwoPhases) {
  auto [tx, rx] = mpmc::channel<std::unique_ptr<int>>(1);
  auto body = [&](Cx mine) -> Task<> {
    auto permit = co_await tx.reserve(mine);
    permit.send(std::make_unique<int>(5));
  };
  EXPECT_TRUE(s.run(body(cx)).is_ok());
  EXPECT_EQ(**rx.try_recv(), 5);
}

}  // namespace
}  // namespace quiesce::channel_tests
