// Callbacks and thread ports in the lab: the foreign thread is one of its agents.
#include "quiesce/callback.hpp"

#include <optional>

#include "lab/sync/exploring.hpp"
#include "quiesce/select.hpp"
#include "quiesce/sync/event.hpp"
#include "quiesce/thread_port.hpp"

namespace quiesce::lab_tests {
namespace {

using namespace std::chrono_literals;

/// What a task and the thread that calls it back have done.
struct Call {
  lab::thread library;
  bool started = false, accepted = false;
  int cancelled = 0, got = 0;

  auto start() {
    return [this](Completion<int> done) {
      started = true;
      library = lab::thread([this, done] { accepted = done(7); });
      return [this]() noexcept { ++cancelled; };
    };
  }
  void check_end() {
    if (library.joinable()) library.join();
    lab::check((got == 7) == accepted, "the callback is told whether its value has come through");
    lab::check(cancelled <= 1, "it is cancelled once at most");
    lab::check(cancelled == 0 || !accepted, "what was cancelled is not accepted");
    lab::check(!started || accepted || got == 0, "no value comes from nowhere");
  }
};

Task<> asks(Cx cx, Call* call) {
  auto waiting = from_callback<int>(cx, call->start());
  auto outcome = co_await std::move(waiting).outcome();
  if (outcome.is_ok()) call->got = outcome.value();
}

template <bool goals>
Task<> called_and_aborted(Cx cx, Scope<>&) {
  Call call;
  auto inside = [&call](Cx mine, Scope<>& scope) -> Task<> {
    auto handle = co_await scope.spawn(mine, asks, unsafe_send(&call));
    co_await mine.yield();
    handle.abort();
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  call.check_end();
  if (!goals) co_return;
  lab::sometimes(call.accepted, "the callback was in time");
  lab::sometimes(call.cancelled == 1, "the request was first");
}

TEST(LabCallback, ACallAndARequestRaceForOneEnd) {
  expect_holds(called_and_aborted<false>);
  EXPECT_GT(expect_exhausted(called_and_aborted<true>), 4u);
}

TEST(LabCallback, DporSeesEveryClass) { expect_every_class(called_and_aborted<true>); }

Task<> asks_or_goes(Cx cx, Call* call, Event* other) {
  auto first = co_await select(cx, from_callback<int>(call->start()), other->wait());
  if (first.index() == 0) call->got = std::get<0>(first);
}

Task<> called_in_a_select(Cx cx, Scope<>&) {
  Call call;
  Event other;
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, asks_or_goes, unsafe_send(&call), unsafe_send(&other));
    co_await mine.yield();
    other.set();
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  call.check_end();
}

TEST(LabCallback, OfASelectItIsTheWinnerOrIsGivenUp) {
  expect_holds(called_in_a_select);
  EXPECT_GT(expect_exhausted(called_in_a_select), 4u);
}

/// Two threads call the same completion, and nobody else keeps it.
Task<> called_twice(Cx cx, Scope<>&) {
  lab::thread first, second;
  int accepted = 0, got = 0;
  auto inside = [&](Cx mine, Scope<>&) -> Task<> {
    auto start = [&](Completion<int> done) {
      first = lab::thread([&accepted, done] { accepted += done(1) ? 1 : 0; });
      second = lab::thread([&accepted, done] { accepted += done(2) ? 1 : 0; });
    };
    auto waiting = from_callback<int>(mine, start);
    auto outcome = co_await std::move(waiting).outcome();
    if (outcome.is_ok()) got = outcome.value();
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  if (first.joinable()) first.join(), second.join();
  lab::check(accepted <= 1, "one call counts");
  lab::check((got != 0) == (accepted == 1), "and it is the one that came through");
}

TEST(LabCallback, OfTwoCallsOneCounts) {
  expect_holds(called_twice);
  EXPECT_GE(expect_exhausted(called_twice), 2u);
}

Task<> counts(Cx, int* done) {
  ++*done;
  co_return;
}

/// A thread spawns while the region closes, and after.
template <bool goals>
Task<> spawned_from_a_thread(Cx cx, Scope<>&) {
  lab::thread foreign;
  int accepted = 0, done = 0;
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    ThreadPort port = co_await thread_port(mine, scope);
    foreign = lab::thread([&accepted, &done, port] {
      lab::atomic<int> between{0};
      for (int i = 0; i < 2; ++i) {
        accepted += port.launch(counts, unsafe_send(&done)) ? 1 : 0;
        between.fetch_add(1);
      }
    });
    co_await mine.yield();
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  const int before = done;
  if (foreign.joinable()) foreign.join();
  lab::check(done == before, "nothing runs after the region has closed");
  lab::check(done == accepted, "what was accepted has run, what was refused has not");
  if (!goals) co_return;
  lab::sometimes(accepted == 2, "both were in time");
  lab::sometimes(accepted == 0, "both came too late");
}

TEST(LabThreadPort, WhatIsAcceptedRunsBeforeTheRegionHasClosed) {
  expect_holds(spawned_from_a_thread<false>);
  EXPECT_GT(expect_exhausted(spawned_from_a_thread<true>), 4u);
}

}  // namespace
}  // namespace quiesce::lab_tests
