// Broadcast, watch, sessions and streams on four workers, with requests in between: every count is balanced at the end.
#include <gtest/gtest.h>
#include <quiesce/buffered.hpp>
#include <quiesce/channel/broadcast.hpp>
#include <quiesce/channel/session.hpp>
#include <quiesce/channel/watch.hpp>
#include <quiesce/merge.hpp>
#include <quiesce/quiesce.hpp>

#include <atomic>
#include <numeric>
#include <vector>

namespace q = quiesce;
using namespace std::chrono_literals;

namespace {

struct Tally {
  std::atomic<std::uint64_t> received = 0, missed = 0, ended = 0, answered = 0, failed = 0, cancelled = 0;
};

struct FanChannelsStress : ::testing::Test {
  q::Runtime rt = q::Runtime::builder().workers(4).build();

  void expect_all_ended() {
    q::RuntimeStats stats = rt.stats();
    EXPECT_EQ(stats.tasks_spawned, stats.tasks_completed);
    EXPECT_EQ(stats.regions_opened, stats.regions_closed);
    EXPECT_TRUE(rt.snapshot().regions.empty());
  }
};

// ---- broadcast ----

q::Task<> speak(q::Cx cx, q::broadcast::Sender<int> tx, int values) {
  for (int i = 0; i < values; ++i) {
    (void)tx.send(i);
    if (i % 16 == 0) co_await cx.yield();
  }
}
q::Task<> listen(q::Cx cx, q::broadcast::Receiver<int> rx, std::shared_ptr<std::atomic<std::uint64_t>> seen) {
  for (;;) {
    auto value = co_await rx.recv(cx);
    if (value) {
      seen->fetch_add(1);
    } else if (value.error().is_lagged()) {
      seen->fetch_add(value.error().missed());
    } else {
      co_return;
    }
  }
}

TEST_F(FanChannelsStress, broadcast_accounts_for_every_value) {
  constexpr int senders = 3, listeners = 4, values = 5000;
  auto seen = std::make_shared<std::atomic<std::uint64_t>>(0);
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto channel = q::broadcast::channel<int>(32);
    auto tx = std::move(channel.first);
    for (int i = 0; i < listeners; ++i) co_await scope.launch(cx, listen, tx.subscribe(), seen);
    for (int i = 0; i < 8; ++i) {  // they come and go
      auto restless =
          co_await scope.spawn(cx, listen, tx.subscribe(), std::make_shared<std::atomic<std::uint64_t>>());
      restless.abort();
    }
    for (int i = 0; i < senders; ++i) co_await scope.launch(cx, speak, tx, values);
  };
  auto outcome = rt.block_on(body);
  ASSERT_TRUE(outcome.is_ok()) << outcome;
  EXPECT_EQ(seen->load(), std::uint64_t{senders} * listeners * values);
  expect_all_ended();
}

// ---- watch ----

q::Task<> turn(q::Cx cx, q::watch::Sender<int> tx, int to) {
  for (int i = 1; i <= to; ++i) {
    tx.send(i);
    if (i % 8 == 0) co_await cx.yield();
  }
}
q::Task<int> follow(q::Cx cx, q::watch::Receiver<int> rx) {
  int last = *rx.read();
  for (;;) {
    auto next = co_await rx.changed(cx).outcome();
    if (next.is_err()) co_return last;
    auto value = co_await std::move(next);
    EXPECT_GT(*value, last);
    last = *value;
  }
}

TEST_F(FanChannelsStress, watch_shows_everybody_the_last_value) {
  constexpr int to = 20000;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto channel = q::watch::channel(0);
    std::vector<q::TaskHandle<int>> followers, leaving;
    for (int i = 0; i < 4; ++i) {
      followers.push_back(co_await scope.spawn(cx, follow, channel.second));
      leaving.push_back(co_await scope.spawn(cx, follow, channel.second));
    }
    co_await scope.launch(cx, turn, std::move(channel.first), to);
    for (auto& handle : leaving) {
      co_await cx.yield();
      handle.abort();
    }
    for (auto& handle : leaving) (void)co_await handle.join(cx).outcome();
    for (auto& handle : followers) EXPECT_EQ(co_await handle.join(cx), to);
  };
  auto outcome = rt.block_on(body);
  ASSERT_TRUE(outcome.is_ok()) << outcome;
  expect_all_ended();
}

// ---- session ----

using Client = q::session::Client<int, int>;
using Server = q::session::Server<int, int>;

q::Task<> ask(q::Cx cx, Client client, std::shared_ptr<Tally> tally, int calls) {
  for (int i = 0; i < calls; ++i) {
    auto outcome = co_await client.call(cx, i).outcome();
    if (outcome.is_ok()) {
      EXPECT_EQ(outcome.value(), 2 * i);
      ++tally->answered;
    } else if (outcome.is_err()) {
      ++tally->failed;
    } else {
      ++tally->cancelled;
      co_await std::move(outcome);
    }
  }
}
q::Task<> serve(q::Cx cx, Server* server, std::shared_ptr<Tally> tally) {
  while (auto request = co_await server->recv(cx)) {
    ++tally->received;
    if (request->value() % 5 == 0) co_await cx.yield();
    if (request->value() % 7 != 3) request->reply(2 * request->value());
  }
}

}  // namespace
template <>
inline constexpr bool quiesce::enable_sync<Tally> = true;
namespace {

TEST_F(FanChannelsStress, every_call_ends) {
  constexpr int clients = 6, calls = 1000;
  auto tally = std::make_shared<Tally>();
  auto body = [&](q::Cx cx, q::Scope<>&) -> q::Task<> {
    auto channel = q::session::channel<int, int>(4);
    Server server = std::move(channel.second);
    auto inside = [&](q::Cx mine, q::Scope<>& scope) -> q::Task<> {
      const Client client = std::move(channel.first);
      for (int i = 0; i < 3; ++i) co_await scope.launch(mine, serve, q::unsafe_send(&server), tally);
      std::vector<q::TaskHandle<>> leaving;
      for (int i = 0; i < clients; ++i) {
        co_await scope.launch(mine, ask, client, tally, calls);
        leaving.push_back(co_await scope.spawn(mine, ask, client, tally, calls));
      }
      for (auto& handle : leaving) {
        co_await mine.yield();
        handle.abort();
      }
    };
    co_await q::region(cx, q::FailFast{}, inside);
    EXPECT_EQ(server.statistics().queued, 0u);
    EXPECT_EQ(server.statistics().unanswered, 0u);
  };
  auto outcome = rt.block_on(body);
  ASSERT_TRUE(outcome.is_ok()) << outcome;
  EXPECT_GE(tally->answered + tally->failed, std::uint64_t{clients} * calls);
  EXPECT_LE(tally->answered + tally->failed, tally->received);
  expect_all_ended();
}

// ---- streams ----

q::Task<int> square(q::Cx cx, int x) {
  if (x % 3 == 0) co_await cx.yield();
  co_return x* x;
}

q::Stream<int> numbers(q::Cx cx, int from, int to) {
  for (int i = from; i < to; ++i) {
    if (i % 32 == 0) co_await cx.yield();
    co_yield i;
  }
}

TEST_F(FanChannelsStress, buffered_gives_every_result_in_order) {
  auto body = [](q::Cx cx, q::Scope<>&) -> q::Task<> {
    auto in_order = [](q::Cx mine, q::Stream<int>& squares) -> q::Task<> {
      for (int i = 0; i < 5000; ++i) {
        auto value = co_await squares.next(mine);
        EXPECT_EQ(value, i * i);
      }
      auto end = co_await squares.next(mine);
      EXPECT_EQ(end, std::nullopt);
    };
    auto source = [](q::Cx mine) { return numbers(mine, 0, 5000); };
    co_await q::buffered(cx, source, 8, square, in_order);
    auto some = [](q::Cx mine, q::Stream<int>& squares) -> q::Task<> {
      for (int i = 0; i < 100; ++i) (void)co_await squares.next(mine);
    };
    for (int round = 0; round < 20; ++round) co_await q::buffered(cx, source, 8, square, some);
  };
  auto outcome = rt.block_on(body);
  ASSERT_TRUE(outcome.is_ok()) << outcome;
  expect_all_ended();
}

TEST_F(FanChannelsStress, merge_loses_nothing) {
  auto body = [](q::Cx cx, q::Scope<>&) -> q::Task<> {
    auto sum_up = [](q::Cx mine, q::Stream<int>& values) -> q::Task<std::int64_t> {
      std::int64_t sum = 0;
      while (auto value = co_await values.next(mine)) sum += *value;
      co_return sum;
    };
    auto source = [](q::Cx mine) { return numbers(mine, 0, 3000); };
    const std::int64_t sum = co_await q::merge(cx, q::sources(source, source, source, source), sum_up, 4);
    EXPECT_EQ(sum, 4 * (2999 * 3000 / 2));
    auto one = [](q::Cx mine, q::Stream<int>& values) -> q::Task<> { (void)co_await values.next(mine); };
    for (int round = 0; round < 100; ++round) co_await q::merge(cx, q::sources(source, source, source), one, 1);
  };
  auto outcome = rt.block_on(body);
  ASSERT_TRUE(outcome.is_ok()) << outcome;
  expect_all_ended();
}

}  // namespace
