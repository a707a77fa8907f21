// Values in the lab.
#include "quiesce/sync/value.hpp"

#include "lab/sync/exploring.hpp"

namespace quiesce::lab_tests {
namespace {

Task<> add(Cx, Value<int>* value) {
  value->update([](int& now) { ++now; });
  co_return;
}
Task<> wait_for(Cx cx, Value<int>* value, int wanted, int* done) {
  auto waiting = value->wait_until(cx, [wanted](int now) { return now >= wanted; });
  auto seen = co_await std::move(waiting);
  lab::check(*seen >= wanted, "it is what was waited for");
  ++*done;
}

template <int adding, int waiting>
Task<> counting(Cx cx, Scope<>&) {
  Value<int> value(0, "count");
  int done = 0;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int i = 1; i <= waiting; ++i)
      co_await scope.launch(mine, wait_for, unsafe_send(&value), i, unsafe_send(&done));
    for (int i = 0; i < adding; ++i) co_await scope.launch(mine, add, unsafe_send(&value));
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(value.statistics().waiters == 0, "nobody is left in the list");
  lab::check(*value.read() <= adding, "no update counts twice");
  lab::sometimes(done == waiting, "everybody saw what they waited for");
}

TEST(LabValue, NoChangeIsMissed) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 500}, counting<3, 2>));
  EXPECT_LAB_OK(lab::explore({.strategy = lab::pct(3), .seed = 2, .max_runs = 500}, counting<3, 2>));
  EXPECT_GT(expect_exhausted(counting<2, 2>), 6u);
  expect_every_class(counting<1, 1>);
  expect_every_class(counting<2, 1>);
}

Task<> stays(Cx cx, Value<int>* value) { (void)co_await value->wait_changed(cx).outcome(); }

Task<> one_of_two_goes(Cx cx, Scope<>&) {
  Value<int> value(0, "count");
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    auto first = co_await scope.spawn(mine, stays, unsafe_send(&value));
    co_await mine.yield();
    co_await scope.launch(mine, add, unsafe_send(&value));
    first.abort();
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(value.statistics().waiters == 0, "nobody is left in the list");
}

TEST(LabValue, AWaitThatIsCancelledLeavesNothing) {
  expect_holds(one_of_two_goes);
  expect_every_class(one_of_two_goes);
}

/// An update that is interrupted by another between its look and its change.
Task<> add_slowly(Cx, Value<int>* value, lab::atomic<int>* step) {
  value->update([step](int& now) {
    step->fetch_add(1);
    ++now;
  });
  co_return;
}

Task<> updating(Cx cx, Scope<>&) {
  Value<int> value(0, "count");
  lab::atomic<int> runs{0, "runs"};
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int i = 0; i < 2; ++i)
      co_await scope.launch(mine, add_slowly, unsafe_send(&value), unsafe_send(&runs));
  };
  co_await region(cx, CollectAll(), inside);
  lab::check(*value.read() == 2, "no update is lost");
  lab::sometimes(runs.load() > 2, "one had to start again");
}

TEST(LabValue, NoUpdateIsLostWhenTwoMeet) { EXPECT_GT(expect_exhausted(updating), 2u); }

}  // namespace
}  // namespace quiesce::lab_tests
