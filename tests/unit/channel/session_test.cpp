// session: calls, replies, and what is owed. Driven by the Stepper.
#include "quiesce/channel/session.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "quiesce/select.hpp"
#include "quiesce/testing/stepper.hpp"

namespace quiesce::testing {
namespace {

using namespace std::chrono_literals;
using Client = session::Client<int, std::string>;
using Server = session::Server<int, std::string>;
using Request = session::Request<int, std::string>;

struct SessionTest : ::testing::Test {
  Stepper s;
  RegionId root = s.create_root_region();
  Scope<> scope = s.scope(root);
  Cx cx = s.cx(root);
};

Task<std::string> asks(Cx cx, Client client, int question) { co_return co_await client.call(cx, question); }

Task<int> answers(Cx cx, Server server) {
  int answered = 0;
  while (auto request = co_await server.recv(cx)) {
    EXPECT_TRUE(request->reply("answer " + std::to_string(request->value())));
    ++answered;
  }
  co_return answered;
}

TEST_F(SessionTest, EveryCallGetsItsReplyAndTheServerEndsWithTheLastClient) {
  auto [client, server] = session::channel<int, std::string>(4, "oracle");
  auto serving = scope.spawn(cx, answers, std::move(server)).value();
  auto first = scope.spawn(cx, asks, client, 1).value();
  auto second = scope.spawn(cx, asks, std::move(client), 2).value();
  EXPECT_EQ(s.run(first.join(cx)).value(), "answer 1");
  EXPECT_EQ(s.run(second.join(cx)).value(), "answer 2");
  EXPECT_EQ(s.run(serving.join(cx)).value(), 2);
}

TEST_F(SessionTest, RequestsAndRepliesMayBeMoveOnly) {
  using Box = std::unique_ptr<int>;
  auto [client, server] = session::channel<Box, Box>(1);
  auto doubles = [](Cx mine, session::Server<Box, Box> from) -> Task<> {
    while (auto request = co_await from.recv(mine))
      request->reply(std::make_unique<int>(2 * *request->value()));
  };
  auto ask = [](Cx mine, session::Client<Box, Box> to) -> Task<int> {
    Box reply = co_await to.call(mine, std::make_unique<int>(21));
    co_return *reply;
  };
  auto serving = scope.spawn(cx, doubles, std::move(server)).value();
  auto asking = scope.spawn(cx, ask, std::move(client)).value();
  EXPECT_EQ(s.run(asking.join(cx)).value(), 42);
  EXPECT_TRUE(s.run(serving.join(cx)).is_ok());
}

TEST_F(SessionTest, ADroppedRequestIsADisconnectedCall) {
  auto [client, server] = session::channel<int, std::string>(1, "oracle");
  auto drops = [](Cx mine, Server from) -> Task<> { (void)co_await from.recv(mine); };
  auto serving = scope.spawn(cx, drops, std::move(server)).value();
  auto asking = scope.spawn(cx, asks, client, 1).value();
  auto outcome = s.run(asking.join(cx));
  ASSERT_TRUE(outcome.is_err());
  EXPECT_EQ(outcome.error().code(), ErrorCode::Disconnected);
  EXPECT_EQ(outcome.error().message(), "session oracle: the request was dropped without a reply");
  EXPECT_TRUE(s.run(serving.join(cx)).is_ok());
}

TEST_F(SessionTest, ARefusalIsTheCallersErr) {
  auto [client, server] = session::channel<int, std::string>(1);
  auto refuses = [](Cx mine, Server from) -> Task<bool> {
    auto request = co_await from.recv(mine);
    const bool told = request->refuse(Error(ErrorCode::InvalidArgument, "that is no question"));
    EXPECT_TRUE(request->is_answered());
    EXPECT_FALSE(request->reply("too late"));
    EXPECT_FALSE(request->refuse(Error("too late")));
    co_return told;
  };
  auto serving = scope.spawn(cx, refuses, std::move(server)).value();
  auto asking = scope.spawn(cx, asks, client, 1).value();
  EXPECT_EQ(s.run(asking.join(cx)).error().message(), "that is no question");
  EXPECT_TRUE(s.run(serving.join(cx)).value());
}

TEST_F(SessionTest, WithoutAServerEveryCallIsDisconnected) {
  auto [client, server] = session::channel<int, std::string>(1, "oracle");
  auto queued = scope.spawn(cx, asks, client, 1).value();
  auto waiting = scope.spawn(cx, asks, client, 2).value();
  s.run_until_idle();
  EXPECT_EQ(client.statistics().queued, 1u);
  EXPECT_EQ(client.statistics().waiting_callers, 1u);
  { Server gone = std::move(server); }
  auto late = scope.spawn(cx, asks, client, 3).value();
  for (auto* handle : {&queued, &waiting, &late}) {
    auto outcome = s.run(handle->join(cx));
    ASSERT_TRUE(outcome.is_err());
    EXPECT_EQ(outcome.error().code(), ErrorCode::Disconnected);
    EXPECT_EQ(outcome.error().message(), "session oracle: there is no server any more: nobody will answer");
  }
}

TEST_F(SessionTest, FullQueuesMakeCallersWaitFirstComeFirstServed) {
  auto [client, server] = session::channel<int, std::string>(1);
  std::vector<TaskHandle<std::string>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(scope.spawn(cx, asks, client, i).value());
  s.run_until_idle();
  EXPECT_EQ(server.statistics().queued, 1u);
  EXPECT_EQ(server.statistics().waiting_callers, 3u);
  std::vector<int> order;
  auto serve = [](Cx mine, Server* from, std::vector<int>* seen) -> Task<> {
    for (int i = 0; i < 4; ++i) {
      auto request = co_await from->recv(mine);
      seen->push_back(request->value());
      request->reply("");
    }
  };
  auto serving = scope.spawn(cx, serve, unsafe_send(&server), unsafe_send(&order)).value();
  EXPECT_TRUE(s.run(serving.join(cx)).is_ok());
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
  for (auto& call : calls) EXPECT_TRUE(s.run(call.join(cx)).is_ok());
}

// ---- obligations ----

TEST_F(SessionTest, AReceivedRequestIsOwedUntilItIsAnswered) {
  auto [client, server] = session::channel<int, std::string>(1);
  auto holds = [](Cx mine, Server* from) -> Task<> {
    auto request = co_await from->recv(mine);
    co_await mine.sleep(1s);
    request->reply("late");
    co_await mine.sleep(1s);
  };
  auto serving = scope.spawn(cx, holds, unsafe_send(&server)).value();
  auto asking = scope.spawn(cx, asks, client, 1).value();
  s.run_until_idle();
  EXPECT_EQ(s.region(root)->obligations, 1u);
  EXPECT_EQ(client.statistics().unanswered, 1u);
  EXPECT_EQ(s.run(asking.join(cx)).value(), "late");
  EXPECT_EQ(s.region(root)->obligations, 0u);
  EXPECT_EQ(client.statistics().unanswered, 0u);
  EXPECT_TRUE(s.run(serving.join(cx)).is_ok());
}

TEST_F(SessionTest, AServerThatIsCancelledLeavesNoCallerWaiting) {
  auto [client, server] = session::channel<int, std::string>(1);
  auto holds = [](Cx mine, Server from) -> Task<> {
    auto request = co_await from.recv(mine);
    co_await mine.sleep(1h);
    request->reply("never");
  };
  auto serving = scope.spawn(cx, holds, std::move(server)).value();
  auto asking = scope.spawn(cx, asks, client, 1).value();
  s.run_until_idle();
  serving.abort();
  EXPECT_NE(s.run(asking.join(cx)).error().message().find("was dropped without a reply"), std::string::npos);
  EXPECT_TRUE(s.run(serving.join(cx)).is_cancelled());
  EXPECT_EQ(s.region(root)->obligations, 0u);
}

TEST_F(SessionTest, ARefusedObligationLeavesTheRequestForTheNext) {
  auto [client, server] = session::channel<int, std::string>(2);
  RegionLimits none;
  none.max_obligations = 0;
  const RegionId poor = s.create_root_region(Budget::infinite(), none);
  auto tries = [](Cx mine, Server* from) -> Task<> { (void)co_await from->recv(mine); };
  auto asking = scope.spawn(cx, asks, client, 1).value();
  auto also = scope.spawn(cx, asks, client, 2).value();
  s.run_until_idle();
  auto refused = s.scope(poor).spawn(s.cx(poor), tries, unsafe_send(&server)).value();
  EXPECT_EQ(s.run(s.cx(poor), [&]() -> Task<> { co_await refused.join(s.cx(poor)); }()).error().code(),
            ErrorCode::RegionAtCapacity);
  EXPECT_EQ(server.statistics().queued, 2u);
  auto serving = scope.spawn(cx, answers, std::move(server)).value();
  EXPECT_EQ(s.run(cx, [&]() -> Task<std::string> { co_return co_await asking.join(cx); }()).value(),
            "answer 1");
  EXPECT_EQ(s.run(cx, [&]() -> Task<std::string> { co_return co_await also.join(cx); }()).value(), "answer 2");
  serving.abort();
}

// ---- cancellation ----

TEST_F(SessionTest, ACallThatIsCancelledBeforeItWasReceivedIsNeverSeen) {
  auto [client, server] = session::channel<int, std::string>(2);
  auto gone = scope.spawn(cx, asks, client, 1).value();
  auto stays = scope.spawn(cx, asks, client, 2).value();
  auto third = scope.spawn(cx, asks, client, 3).value();
  s.run_until_idle();
  EXPECT_EQ(server.statistics().waiting_callers, 1u);
  gone.abort();
  EXPECT_TRUE(s.run(gone.join(cx)).is_cancelled());
  EXPECT_EQ(server.statistics().queued, 2u) << "its place is free for the third";
  EXPECT_EQ(server.statistics().waiting_callers, 0u);
  auto serving = scope.spawn(cx, answers, std::move(server)).value();
  EXPECT_EQ(s.run(stays.join(cx)).value(), "answer 2");
  EXPECT_EQ(s.run(third.join(cx)).value(), "answer 3");
  { Client last = std::move(client); }
  EXPECT_EQ(s.run(serving.join(cx)).value(), 2);
}

TEST_F(SessionTest, ACallThatIsCancelledWhileItWaitsForRoomSendsNothing) {
  auto [client, server] = session::channel<int, std::string>(1);
  auto first = scope.spawn(cx, asks, client, 1).value();
  auto second = scope.spawn(cx, asks, client, 2).value();
  s.run_until_idle();
  second.abort();
  EXPECT_TRUE(s.run(second.join(cx)).is_cancelled());
  EXPECT_EQ(server.statistics().queued, 1u);
  EXPECT_EQ(server.statistics().waiting_callers, 0u);
  { Server gone = std::move(server); }
  EXPECT_TRUE(s.run(first.join(cx)).is_err());
}

TEST_F(SessionTest, ACallCancelledBeforeItStartsSendsNothing) {
  auto [client, server] = session::channel<int, std::string>(1);
  auto call = scope.spawn(cx, asks, client, 1).value();
  call.abort();
  EXPECT_TRUE(s.run(call.join(cx)).is_cancelled());
  EXPECT_EQ(server.statistics().queued, 0u);
}

TEST_F(SessionTest, TheServerIsToldOfAnAbandonedCall) {
  auto [client, server] = session::channel<int, std::string>(1);
  auto slow = [](Cx mine, Server from) -> Task<bool> {
    auto request = co_await from.recv(mine);
    EXPECT_FALSE(request->is_abandoned());
    co_await mine.sleep(1s);
    EXPECT_TRUE(request->is_abandoned());
    co_return request->reply("nobody listens");
  };
  auto serving = scope.spawn(cx, slow, std::move(server)).value();
  auto asking = scope.spawn(cx, asks, client, 1).value();
  s.run_until_idle();
  asking.abort();
  EXPECT_TRUE(s.run(asking.join(cx)).is_cancelled());
  EXPECT_FALSE(s.run(serving.join(cx)).value());
}

TEST_F(SessionTest, ARecvThatIsCancelledHasReceivedNothing) {
  auto [client, server] = session::channel<int, std::string>(1);
  auto receives = [](Cx mine, Server* from) -> Task<> { (void)co_await from->recv(mine); };
  auto waiting = scope.spawn(cx, receives, unsafe_send(&server)).value();
  s.run_until_idle();
  EXPECT_EQ(server.statistics().waiting_servers, 1u);
  waiting.abort();
  EXPECT_TRUE(s.run(waiting.join(cx)).is_cancelled());
  EXPECT_EQ(server.statistics().waiting_servers, 0u);
  auto call = scope.spawn(cx, asks, client, 1).value();
  auto refused = scope.spawn(cx, receives, unsafe_send(&server)).value();
  refused.abort();
  EXPECT_TRUE(s.run(refused.join(cx)).is_cancelled());
  EXPECT_EQ(server.statistics().queued, 1u);
  { Server gone = std::move(server); }
  EXPECT_TRUE(s.run(call.join(cx)).is_err());
}

TEST_F(SessionTest, RecvTakesPartInSelect) {
  auto [client, server] = session::channel<int, std::string>(1);
  auto chooses = [](Cx mine, Server from) -> Task<std::size_t> {
    auto first = co_await select(mine, from.recv(), mine.sleep(1s));
    const std::size_t timed_out = first.index();
    auto second = co_await select(mine, from.recv(), mine.sleep(1h));
    if (auto* request = std::get_if<0>(&second)) (*request)->reply("chosen");
    co_return timed_out * 10 + second.index();
  };
  auto asks_late = [](Cx mine, Client to) -> Task<std::string> {
    co_await mine.sleep(2s);
    co_return co_await to.call(mine, 1);
  };
  auto serving = scope.spawn(cx, chooses, std::move(server)).value();
  auto asking = scope.spawn(cx, asks_late, client).value();
  EXPECT_EQ(s.run(serving.join(cx)).value(), 10u);
  EXPECT_EQ(s.run(asking.join(cx)).value(), "chosen");
}

TEST_F(SessionTest, CloseIsAsIfTheServerWereGone) {
  auto [client, server] = session::channel<int, std::string>(1);
  server.close();
  auto call = scope.spawn(cx, asks, client, 1).value();
  EXPECT_EQ(s.run(call.join(cx)).error().code(), ErrorCode::Disconnected);
}

}  // namespace
}  // namespace quiesce::testing
