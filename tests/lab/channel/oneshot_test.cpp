// oneshot in the lab: the value comes, or its absence does, and nobody waits for ever.
#include "quiesce/channel/oneshot.hpp"

#include <optional>

#include "lab/sync/exploring.hpp"

namespace quiesce::lab_tests {
namespace {

struct Answer {
  bool sent = false, refused = false, received = false, told_of_the_end = false;
};

Task<> answers(Cx cx, Answer* answer, oneshot::Sender<int> tx) {
  co_await cx.yield();  // cancelled here it goes without having sent
  answer->sent = tx.send(7).has_value();
  answer->refused = !answer->sent;
}

Task<> asks(Cx cx, Answer* answer, oneshot::Receiver<int> rx) {
  Outcome<int> got = co_await rx.recv(cx).outcome();
  answer->received = got.is_ok();
  answer->told_of_the_end = got.is_err();
  lab::check(!got.is_ok() || got.value() == 7, "the value that was sent");
}

Task<> asking(Cx cx, Scope<>&) {
  Answer answer;
  auto inside = [&answer](Cx mine, Scope<>& scope) -> Task<> {
    auto [tx, rx] = oneshot::channel<int>("answer");
    co_await scope.launch(mine, asks, unsafe_send(&answer), std::move(rx));
    co_await scope.launch(mine, answers, unsafe_send(&answer), std::move(tx));
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  lab::check(!answer.received || answer.sent, "what is received was sent");
  lab::check(!answer.told_of_the_end || !answer.sent, "a value that was sent is not lost on who waits for it");
  lab::sometimes(answer.received, "it was answered");
}

/// The sender works until nobody wants the value any more.
Task<> watching(Cx cx, Scope<>&) {
  auto inside = [](Cx mine, Scope<>& scope) -> Task<> {
    auto [tx, rx] = oneshot::channel<int>("answer");
    auto watches = [](Cx own, oneshot::Sender<int> end) -> Task<> { co_await end.closed(own); };
    auto leaves = [](Cx own, oneshot::Receiver<int> end) -> Task<> {
      const oneshot::Receiver<int> kept = std::move(end);
      co_await own.yield();
    };
    co_await scope.launch(mine, watches, std::move(tx));
    co_await scope.launch(mine, leaves, std::move(rx));
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
}

TEST(LabOneshot, TheValueOrItsAbsenceIsSeen) {
  expect_holds(asking);
  expect_every_class(asking);
}

TEST(LabOneshot, ASenderIsToldThatNobodyWantsTheValue) {
  expect_holds(watching);
  expect_every_class(watching);
}

}  // namespace
}  // namespace quiesce::lab_tests
