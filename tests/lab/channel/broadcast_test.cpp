// Broadcast channels in the lab: no receiver misses a value without being told.
#include "quiesce/channel/broadcast.hpp"

#include "lab/sync/exploring.hpp"

namespace quiesce::lab_tests {
namespace {

struct Hall {
  std::uint64_t sent = 0;
  int complete = 0;
};

/// Gives what it has sent also when it is cancelled: its values are counted as they go out.
Task<> sends(Cx cx, broadcast::Sender<int> tx, Hall* hall, int count) {
  for (int i = 0; i < count; ++i) {
    if (tx.send(static_cast<int>(hall->sent))) ++hall->sent;
    co_await cx.yield();
  }
}

Task<> listens(Cx cx, broadcast::Receiver<int> rx, Hall* hall) {
  int expected = 0;
  for (;;) {
    auto value = co_await rx.recv(cx);
    if (value) {
      lab::check(*value == expected, "each value once, in order");
      ++expected;
    } else if (value.error().is_lagged()) {
      expected += static_cast<int>(value.error().missed());
    } else {
      break;
    }
  }
  lab::check(expected == static_cast<int>(hall->sent), "what was missed was told");
  ++hall->complete;
}

template <int values, std::uint32_t capacity, int listeners>
Task<> speaking(Cx cx, Scope<>&) {
  Hall hall;
  auto channel = broadcast::channel<int>(capacity, "hall");
  auto stays = channel.second;  // so that no value comes back
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    auto tx = std::move(channel.first);
    for (int i = 0; i < listeners; ++i) co_await scope.launch(mine, listens, stays, unsafe_send(&hall));
    co_await scope.launch(mine, sends, std::move(tx), unsafe_send(&hall), values);
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  lab::check(stays.statistics().waiters == 0, "nobody is left in the list");
  lab::check(stays.statistics().receivers == 2, "every other receiver is gone");
  lab::sometimes(hall.complete == listeners, "all have heard everything, or how much they missed");
}

TEST(LabBroadcast, NothingIsMissedSilently) {
  expect_holds(speaking<3, 1, 2>);
  expect_holds(speaking<3, 2, 2>);
  EXPECT_GT(expect_exhausted(speaking<2, 1, 2>), 6u);
}

TEST(LabBroadcast, DporSeesEveryClass) { expect_every_class(speaking<2, 1, 1>); }

}  // namespace
}  // namespace quiesce::lab_tests
