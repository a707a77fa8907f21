// rendezvous in the lab: what was sent was taken, and nothing is taken twice.
#include "quiesce/channel/rendezvous.hpp"

#include "lab/sync/exploring.hpp"
#include "quiesce/select.hpp"

namespace quiesce::lab_tests {
namespace {

using namespace std::chrono_literals;

struct Counter {
  std::pair<rendezvous::Sender<int>, rendezvous::Receiver<int>> ends = rendezvous::channel<int>("counter");
  int sent = 0, taken = 0, by_permit = 0, ended = 0;

  /// When nothing else moves: who still waits does so because somebody was cancelled, and is sent home.
  Task<> close_late(Cx cx, int tasks) {
    co_await cx.sleep(1s);
    lab::check(ended < tasks || ends.first.statistics().waiters == 0,
               "nobody waits when all have done their part");
    ends.second.close();
  }
};

Task<> hands(Cx cx, Counter* at, int value) {
  co_await at->ends.first.send(cx, value);
  ++at->sent;
  ++at->ended;
}
Task<> takes(Cx cx, Counter* at) {
  auto message = co_await at->ends.second.recv(cx);
  if (message) ++at->taken;
  ++at->ended;
}
Task<> reserves(Cx cx, Counter* at) {
  auto permit = co_await at->ends.first.reserve(cx);
  co_await cx.yield();
  permit.send(9);
  ++at->by_permit;
  ++at->ended;
}
Task<> chooses(Cx cx, Counter* at) {
  auto first = co_await select(cx, at->ends.first.send(5), at->ends.second.recv(), cx.sleep(1ms));
  if (first.index() == 0) ++at->sent;
  if (first.index() == 1) ++at->taken;
}

void expect_even(Counter& counter, int without_a_wait) {
  const ChannelStatistics look = counter.ends.second.statistics();
  lab::check(look.waiters == 0, "nobody is left in a list");
  lab::check(look.reserved == 0, "the place at the counter is free");
  lab::check(static_cast<int>(look.length) <= without_a_wait,
             "only what is sent by a permit, or when a permit was dropped, can be left lying");
  // A task that was cancelled right after it was given a message has taken it all the same, and does not count it.
  lab::check(counter.sent + counter.by_permit >= counter.taken + static_cast<int>(look.length),
             "nothing is made");
}

Task<> meeting(Cx cx, Scope<>&) {
  Counter counter;
  auto inside = [&counter](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, hands, unsafe_send(&counter), 1);
    co_await scope.launch(mine, takes, unsafe_send(&counter));
    co_await scope.launch(mine, takes, unsafe_send(&counter));
    co_await scope.launch(mine, hands, unsafe_send(&counter), 2);
    auto late = counter.close_late(mine, 4);
    co_await std::move(late);
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  expect_even(counter, 0);
  lab::check(counter.sent == counter.taken, "a send completes when its message is taken");
  lab::sometimes(counter.sent == 2, "both have met somebody");
}

Task<> with_permits(Cx cx, Scope<>&) {
  Counter counter;
  auto inside = [&counter](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, reserves, unsafe_send(&counter));
    co_await scope.launch(mine, takes, unsafe_send(&counter));
    co_await scope.launch(mine, hands, unsafe_send(&counter), 1);
    co_await scope.launch(mine, takes, unsafe_send(&counter));
    auto late = counter.close_late(mine, 4);
    co_await std::move(late);
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  expect_even(counter, 1);
  lab::sometimes(counter.taken == 2, "both were served");
}

Task<> one_each(Cx cx, Scope<>&) {
  Counter counter;
  auto inside = [&counter](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, reserves, unsafe_send(&counter));
    co_await scope.launch(mine, takes, unsafe_send(&counter));
    auto late = counter.close_late(mine, 2);
    co_await std::move(late);
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  expect_even(counter, 1);
}

Task<> selects_of_both_sides(Cx cx, Scope<>&) {
  Counter counter;
  auto inside = [&counter](Cx mine, Scope<>& scope) -> Task<> {
    for (int i = 0; i < 3; ++i) co_await scope.launch(mine, chooses, unsafe_send(&counter));
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  expect_even(counter, 0);
  lab::check(counter.sent == counter.taken, "each that sent has met one that took");
  lab::sometimes(counter.sent == 1, "two have met, and the third had nobody to meet");
}

TEST(LabRendezvous, ASendCompletesWhenItsMessageIsTaken) {
  expect_holds(meeting);
  EXPECT_GT(expect_exhausted(meeting), 20u);
}

TEST(LabRendezvous, APermitLosesNothing) {
  expect_holds(with_permits);
  EXPECT_GT(expect_exhausted(with_permits), 20u);
  expect_every_class(one_each);
}

TEST(LabRendezvous, ASelectOfBothSidesMeetsAnother) {
  expect_holds(selects_of_both_sides);
  EXPECT_GT(expect_exhausted(selects_of_both_sides), 2u);
}

}  // namespace
}  // namespace quiesce::lab_tests
