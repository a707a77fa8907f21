// broadcast: everybody sees everything, or is told how much was missed. Driven by the Stepper.
#include "quiesce/channel/broadcast.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "quiesce/select.hpp"
#include "quiesce/testing/stepper.hpp"

namespace quiesce::testing {
namespace {

using namespace std::chrono_literals;
using broadcast::RecvError;
using Receiver = broadcast::Receiver<int>;

struct BroadcastTest : ::testing::Test {
  Stepper s;
  RegionId root = s.create_root_region();
  Scope<> scope = s.scope(root);
  Cx cx = s.cx(root);
};

Task<std::vector<int>> receives_all(Cx cx, Receiver rx) {
  std::vector<int> got;
  for (;;) {
    auto value = co_await rx.recv(cx);
    if (value) {
      got.push_back(*value);
    } else if (value.error().is_lagged()) {
      got.push_back(-static_cast<int>(value.error().missed()));
    } else {
      EXPECT_TRUE(value.error().is_closed());
      co_return got;
    }
  }
}

TEST_F(BroadcastTest, EveryReceiverSeesEveryValueInOrder) {
  auto [tx, rx] = broadcast::channel<int>(4, "numbers");
  auto first = scope.spawn(cx, receives_all, std::move(rx)).value();
  auto second = scope.spawn(cx, receives_all, tx.subscribe()).value();
  s.run_until_idle();
  EXPECT_EQ(tx.statistics().waiters, 2u);
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(tx.send(i).value(), 2u);
  { auto last = std::move(tx); }
  EXPECT_EQ(s.run(first.join(cx)).value(), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(s.run(second.join(cx)).value(), (std::vector<int>{1, 2, 3}));
}

TEST_F(BroadcastTest, ASubscriberSeesWhatIsSentFromThenOn) {
  auto [tx, rx] = broadcast::channel<int>(4);
  (void)tx.send(1);
  auto late = tx.subscribe();
  EXPECT_EQ(late.try_recv().error(), RecvError(RecvError::Kind::Empty));
  EXPECT_EQ(tx.send(2).value(), 2u);
  EXPECT_EQ(late.try_recv(), 2);
  EXPECT_EQ(rx.try_recv(), 1);
}

TEST_F(BroadcastTest, ACopyOfAReceiverGoesOnWhereTheOtherWas) {
  auto [tx, rx] = broadcast::channel<int>(4);
  (void)tx.send(1);
  (void)tx.send(2);
  EXPECT_EQ(rx.try_recv(), 1);
  Receiver copy = rx;
  EXPECT_EQ(tx.statistics().receivers, 2u);
  EXPECT_EQ(copy.try_recv(), 2);
  EXPECT_EQ(rx.try_recv(), 2);
}

TEST_F(BroadcastTest, WhoLagsIsToldHowManyAndGoesOnWithTheOldest) {
  auto [tx, rx] = broadcast::channel<int>(2);
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(tx.send(i).value(), 1u) << "a slow receiver holds up nobody";
  auto lagged = rx.try_recv();
  ASSERT_FALSE(lagged);
  EXPECT_TRUE(lagged.error().is_lagged());
  EXPECT_EQ(lagged.error().missed(), 3u);
  EXPECT_EQ(rx.try_recv(), 4);
  EXPECT_EQ(rx.try_recv(), 5);
  EXPECT_TRUE(rx.try_recv().error().is_empty());
  EXPECT_EQ(tx.statistics().missed, 3u);
}

TEST_F(BroadcastTest, LaggingIsAValueAndDoesNotEndTheCoroutine) {
  auto [tx, rx] = broadcast::channel<int>(1);
  auto handle = scope.spawn(cx, receives_all, std::move(rx)).value();
  for (int i = 1; i <= 3; ++i) (void)tx.send(i);
  { auto last = std::move(tx); }
  EXPECT_EQ(s.run(handle.join(cx)).value(), (std::vector<int>{-2, 3}));
}

TEST_F(BroadcastTest, WithoutReceiversTheValueComesBack) {
  auto [tx, rx] = broadcast::channel<std::shared_ptr<int>>(2);
  { auto gone = std::move(rx); }
  auto value = std::make_shared<int>(7);
  auto refused = tx.send(value);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), value);
  EXPECT_EQ(tx.statistics().sent, 0u);
  EXPECT_EQ(value.use_count(), 2) << "nothing was kept";
}

TEST_F(BroadcastTest, ClosesWithTheLastSender) {
  auto [tx, rx] = broadcast::channel<int>(2);
  {
    auto copy = tx;
    { auto first = std::move(tx); }
    EXPECT_TRUE(rx.try_recv().error().is_empty());
    (void)copy.send(1);
  }
  EXPECT_EQ(rx.try_recv(), 1) << "what was sent is received first";
  EXPECT_TRUE(rx.try_recv().error().is_closed());
  EXPECT_TRUE(rx.try_recv().error().is_closed());
}

TEST_F(BroadcastTest, AWaitingReceiverLearnsOfTheClose) {
  auto [tx, rx] = broadcast::channel<int>(2);
  auto handle = scope.spawn(cx, receives_all, std::move(rx)).value();
  s.run_until_idle();
  { auto last = std::move(tx); }
  EXPECT_TRUE(s.run(handle.join(cx)).value().empty());
}

TEST_F(BroadcastTest, WhatFallsOutOfTheRingIsDestroyed) {
  auto [tx, rx] = broadcast::channel<std::shared_ptr<int>>(2);
  auto value = std::make_shared<int>(1);
  (void)tx.send(value);
  EXPECT_EQ(value.use_count(), 2);
  (void)tx.send(nullptr);
  (void)tx.send(nullptr);
  EXPECT_EQ(value.use_count(), 1);
}

// ---- cancellation ----

Task<> receives_one(Cx cx, Receiver* rx) { (void)co_await rx->recv(cx); }

TEST_F(BroadcastTest, ARecvThatIsCancelledHasSeenNothing) {
  auto [tx, rx] = broadcast::channel<int>(2);
  auto waiting = scope.spawn(cx, receives_one, unsafe_send(&rx)).value();
  s.run_until_idle();
  waiting.abort();
  EXPECT_TRUE(s.run(waiting.join(cx)).is_cancelled());
  EXPECT_EQ(tx.statistics().waiters, 0u);
  EXPECT_EQ(tx.statistics().waited, 1u);
  (void)tx.send(1);
  auto refused = scope.spawn(cx, receives_one, unsafe_send(&rx)).value();
  refused.abort();
  EXPECT_TRUE(s.run(refused.join(cx)).is_cancelled());
  EXPECT_EQ(rx.try_recv(), 1);
}

TEST_F(BroadcastTest, TheLoserOfASelectHasSeenNothing) {
  auto [tx, rx] = broadcast::channel<int>(2);
  auto other = broadcast::channel<int>(2);
  auto chooses = [](Cx mine, Receiver* a, Receiver* b) -> Task<int> {
    auto first = co_await select_biased(mine, a->recv(), b->recv(), mine.sleep(1s));
    if (auto* got = std::get_if<0>(&first)) co_return **got;
    co_return first.index() == 1 ? *std::get<1>(first) : -1;
  };
  for (int expected : {-1, 5}) {
    auto handle = scope.spawn(cx, chooses, unsafe_send(&rx), unsafe_send(&other.second)).value();
    s.run_until_idle();
    if (expected > 0) {
      (void)tx.send(5);
      (void)other.first.send(6);
    }
    EXPECT_EQ(s.run(handle.join(cx)).value(), expected);
  }
  EXPECT_EQ(other.second.try_recv(), 6);
}

// ---- values ----

struct CopyThrows {
  bool armed = false;
  explicit CopyThrows(bool throws) : armed(throws) {}
  CopyThrows(const CopyThrows& other) : armed(other.armed) {
    if (armed) throw std::runtime_error("no copies");
  }
  CopyThrows(CopyThrows&&) = default;
};
TEST_F(BroadcastTest, ACopyThatThrowsPanicsWhoeverReceives) {
  auto [tx, rx] = broadcast::channel<CopyThrows>(2);
  (void)tx.send(CopyThrows(true));
  (void)tx.send(CopyThrows(false));
  auto receives = [](Cx mine, broadcast::Receiver<CopyThrows>* from) -> Task<> {
    (void)co_await from->recv(mine);
  };
  auto handle = scope.spawn(cx, receives, unsafe_send(&rx)).value();
  auto outcome = s.run(handle.join(cx));
  ASSERT_TRUE(outcome.is_panicked());
  EXPECT_NE(outcome.panic().message().find("no copies"), std::string::npos);
  EXPECT_TRUE(rx.try_recv().has_value());
}

TEST_F(BroadcastTest, TwoTasksOnOneReceiverAreToldSo) {
  auto [tx, rx] = broadcast::channel<int>(2);
  auto first = scope.spawn(cx, receives_one, unsafe_send(&rx)).value();
  auto second = scope.spawn(cx, receives_one, unsafe_send(&rx)).value();
  s.run_until_idle();
  (void)tx.send(1);
  EXPECT_TRUE(s.run(first.join(cx)).is_ok());
  auto outcome = s.run(second.join(cx));
  ASSERT_TRUE(outcome.is_err());
  EXPECT_EQ(outcome.error().code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(
      outcome.error().message(),
      "broadcast: two tasks wait for one receiver, and the other has taken the value: give each a copy of it");
}

}  // namespace
}  // namespace quiesce::testing
