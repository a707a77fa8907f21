// Sessions in the lab: no caller waits for ever, no request is lost or answered twice, nothing is owed at the end.
#include "quiesce/channel/session.hpp"

#include "lab/sync/exploring.hpp"

namespace quiesce::lab_tests {
namespace {

using Client = session::Client<int, int>;
using Server = session::Server<int, int>;

struct Office {
  int asked = 0, answered = 0, received = 0, failed = 0;
};

Task<> asks(Cx cx, Client client, Office* office, int question) {
  ++office->asked;
  auto outcome = co_await client.call(cx, question).outcome();
  if (outcome.is_ok()) {
    lab::check(outcome.value() == 2 * question, "a reply goes to whoever asked");
    ++office->answered;
  }
  if (outcome.is_err()) {
    lab::check(outcome.error().code() == ErrorCode::Disconnected, "the server was gone");
    ++office->failed;
  }
}

Task<> answers(Cx cx, Server server, Office* office) {
  while (auto request = co_await server.recv(cx)) {
    ++office->received;
    co_await cx.yield();
    request->reply(2 * request->value());
  }
}

template <int callers, std::uint32_t capacity>
Task<> calling(Cx cx, Scope<>&) {
  Office office;
  auto channel = session::channel<int, int>(capacity, "office");
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    const Client client = std::move(channel.first);  // with the last copy of it the server ends
    co_await scope.launch(mine, answers, std::move(channel.second), unsafe_send(&office));
    for (int i = 1; i <= callers; ++i) co_await scope.launch(mine, asks, client, unsafe_send(&office), i);
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  lab::check(office.answered <= office.received, "nobody else answers");
  lab::check(office.answered + office.failed <= office.asked, "each call ends once");
  lab::sometimes(office.answered == callers, "everybody is answered");
}

TEST(LabSession, NoCallIsLostOrAnsweredTwice) {
  expect_holds(calling<2, 1>);
  expect_holds(calling<3, 2>, 300);
  EXPECT_GT(expect_exhausted(calling<2, 1>), 6u);
}

TEST(LabSession, DporSeesEveryClass) { expect_every_class(calling<1, 1>); }

/// Receives, and ends without an answer.
Task<> drops(Cx cx, Server server) {
  auto request = co_await server.recv(cx);
  co_await cx.yield();
}

Task<> dropping(Cx cx, Scope<>&) {
  Office office;
  auto channel = session::channel<int, int>(1, "office");
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    const Client client = std::move(channel.first);
    co_await scope.launch(mine, drops, std::move(channel.second));
    for (int i = 1; i <= 2; ++i) co_await scope.launch(mine, asks, client, unsafe_send(&office), i);
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  lab::check(office.answered == 0, "nobody has answered");
  lab::sometimes(office.failed == 2, "both have learnt it");
}

TEST(LabSession, ACallerNeverWaitsForAServerThatIsGone) {
  expect_holds(dropping);
  EXPECT_GT(expect_exhausted(dropping), 6u);
}

/// Owes an answer, and waits for one.
Task<> never_answers(Cx cx, Server server) {
  auto other = session::channel<int, int>(1, "nobody");
  auto request = co_await server.recv(cx);
  const int answer = co_await other.first.call(cx, 1);
  request->reply(answer);
}

Task<> stuck(Cx cx, Scope<>&) {
  Office office;
  auto channel = session::channel<int, int>(1, "office");
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    const Client client = std::move(channel.first);
    co_await scope.launch(mine, never_answers, std::move(channel.second));
    co_await scope.launch(mine, asks, client, unsafe_send(&office), 1);
  };
  co_await region(cx, FailFast(), inside);
}

TEST(LabSession, ADeadlockNamesTheSessionAndWhoOwesTheReply) {
  const lab::Report report = lab::run({}, stuck);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::deadlock);
  EXPECT_NE(report.failure()->message.find("waits for a reply \"office\""), std::string::npos)
      << report.failure()->message;
}

}  // namespace
}  // namespace quiesce::lab_tests
