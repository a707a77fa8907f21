// Watch channels in the lab: no update is lost.
#include "quiesce/channel/watch.hpp"

#include "lab/sync/exploring.hpp"

namespace quiesce::lab_tests {
namespace {

struct Dial {
  int sent = 0, complete = 0;
};

Task<> turns(Cx cx, watch::Sender<int> tx, Dial* dial, int to) {
  for (int i = 1; i <= to; ++i) {
    tx.send_modify([](int& level) { ++level; });
    dial->sent = i;
    co_await cx.yield();
  }
}

/// Reads, and waits for what is newer, to the end.
Task<> follows(Cx cx, watch::Receiver<int> rx, Dial* dial) {
  int last = *rx.read();
  co_await cx.yield();  // a change here ends the wait below at once
  for (;;) {
    auto next = co_await rx.changed(cx).outcome();
    if (!next.is_ok()) {
      if (next.is_cancelled()) co_await std::move(next);
      break;
    }
    lab::check(*next.value() > last, "newer than what was seen");
    last = *next.value();
  }
  lab::check(last == dial->sent, "the last value is seen by everybody");
  ++dial->complete;
}

Task<> waits_for(Cx cx, watch::Receiver<int> rx, Dial* dial, int level) {
  auto reached = co_await rx.wait_for(cx, [level](int now) { return now >= level; }).outcome();
  if (reached.is_cancelled()) co_await std::move(reached);
  lab::check(reached.is_ok() == (dial->sent >= level), "it is told of what it waits for");
  ++dial->complete;
}

template <int to, int followers>
Task<> turning(Cx cx, Scope<>&) {
  Dial dial;
  auto channel = watch::channel(0, "dial");
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    auto tx = std::move(channel.first);
    for (int i = 0; i < followers; ++i)
      co_await scope.launch(mine, follows, channel.second, unsafe_send(&dial));
    co_await scope.launch(mine, waits_for, channel.second, unsafe_send(&dial), to);
    co_await scope.launch(mine, turns, std::move(tx), unsafe_send(&dial), to);
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  lab::check(channel.second.statistics().waiters == 0, "nobody is left in the list");
  lab::sometimes(dial.complete == followers + 1 && dial.sent == to, "all have seen the last value");
}

TEST(LabWatch, NoUpdateIsLost) {
  expect_holds(turning<2, 2>);
  expect_holds(turning<3, 1>);
  EXPECT_GT(expect_exhausted(turning<2, 1>), 6u);
}

TEST(LabWatch, DporSeesEveryClass) { expect_every_class(turning<1, 1>); }

}  // namespace
}  // namespace quiesce::lab_tests
