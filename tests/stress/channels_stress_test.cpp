// Channels on all workers, with tasks that are aborted wherever they happen to be: every message is accounted for.
#include <gtest/gtest.h>
#include <quiesce/channel/mpmc.hpp>
#include <quiesce/channel/mpsc.hpp>
#include <quiesce/channel/oneshot.hpp>
#include <quiesce/channel/rendezvous.hpp>
#include <quiesce/quiesce.hpp>
#include <quiesce/select.hpp>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace q = quiesce;
using namespace std::chrono_literals;

namespace {

struct Counts {
  std::atomic<std::int64_t> alive{0}, committed{0}, received{0}, sum_committed{0}, sum_received{0};
};

/// Counts its own life: a message that is destroyed twice or never is seen at the end.
class Message {
 public:
  Message(std::shared_ptr<Counts> counts, int value) : counts_(std::move(counts)), value_(value) {
    ++counts_->alive;
  }
  Message(Message&&) noexcept = default;
  Message& operator=(Message&&) = delete;
  ~Message() {
    if (counts_ != nullptr) --counts_->alive;
  }
  int value() const { return value_; }

 private:
  std::shared_ptr<Counts> counts_;
  int value_;
};

void commit(Counts& counts, int value) {
  ++counts.committed;
  counts.sum_committed += value;
}
void receive(Counts& counts, const Message& message) {
  ++counts.received;
  counts.sum_received += message.value();
}

}  // namespace
template <>
inline constexpr bool quiesce::enable_sync<Counts> = true;

namespace {

using Shared = std::shared_ptr<Counts>;

template <class Tx>
q::Task<> produce(q::Cx cx, Shared counts, Tx tx, int messages) {
  for (int i = 1; i <= messages; ++i) {
    const std::uint64_t how = cx.random_index(4);
    if (how == 0) {
      auto permit = co_await tx.reserve(cx);
      if (cx.random_index(8) == 0) continue;  // dropped
      if (permit.send(Message(counts, i))) commit(*counts, i);
    } else if (how == 1) {
      auto first = co_await q::select(cx, tx.send(Message(counts, i)), cx.sleep(1ms));
      if (first.index() == 0) commit(*counts, i);
    } else if (how == 2) {
      if (tx.try_send(Message(counts, i))) commit(*counts, i);
    } else {
      Message message(counts, i);
      co_await tx.send(cx, std::move(message));
      commit(*counts, i);
    }
  }
}

template <class Rx>
q::Task<> consume(q::Cx cx, Shared counts, Rx rx) {
  for (;;) {
    if (cx.random_index(4) == 0) {
      auto first = co_await q::select(cx, rx.recv(), cx.sleep(1ms));
      auto* message = std::get_if<0>(&first);
      if (message == nullptr) continue;
      if (!*message) break;
      receive(*counts, **message);
    } else {
      auto message = co_await rx.recv(cx);
      if (!message) break;
      receive(*counts, *message);
    }
  }
}

/// Everything that was committed and not received must have been destroyed by now.
void expect_accounted_for(const q::Runtime& rt, const Counts& counts, bool all_received) {
  EXPECT_EQ(counts.alive.load(), 0);
  EXPECT_LE(counts.received.load(), counts.committed.load());
  if (all_received) {
    EXPECT_EQ(counts.received.load(), counts.committed.load());
    EXPECT_EQ(counts.sum_received.load(), counts.sum_committed.load());
  }
  q::RuntimeStats stats = rt.stats();
  EXPECT_EQ(stats.tasks_spawned, stats.tasks_completed);
  EXPECT_TRUE(rt.snapshot().regions.empty());
}

template <class Rx>
Rx another(Rx& rx, bool last) {
  if constexpr (std::copyable<Rx>) {
    if (!last) return rx;
  }
  return std::move(rx);
}

/// So many of each, of which some are aborted; the receivers are spared where all is to be received.
template <class Ends>
void storm(q::Runtime& rt, Shared counts, Ends ends, int producers, int consumers, bool abort_consumers) {
  auto& [tx, rx] = ends;
  auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
    using Tx = std::remove_cvref_t<decltype(tx)>;
    using Rx = std::remove_cvref_t<decltype(rx)>;
    std::vector<q::TaskHandle<>> victims;
    for (int i = 0; i < producers; ++i) {
      Tx mine = tx;
      victims.push_back(co_await scope.spawn(cx, produce<Tx>, counts, std::move(mine), 300));
    }
    { const Tx gone = std::move(tx); }
    for (int i = 0; i < consumers; ++i) {
      Rx mine = another(rx, i + 1 == consumers);
      auto handle = co_await scope.spawn(cx, consume<Rx>, counts, std::move(mine));
      if (abort_consumers) victims.push_back(std::move(handle));
    }
    for (int i = 0; i < 3; ++i) {
      co_await cx.sleep(200us);
      victims[cx.random_index(victims.size())].abort();
    }
  };
  auto outer = [&](q::Cx cx, q::Scope<>&) -> q::Task<> {
    auto all = q::region(cx, q::CollectAll{}, body).outcome();
    (void)co_await std::move(all);
  };
  EXPECT_TRUE(rt.block_on(outer).is_ok());
}

TEST(ChannelsStress, WhatIsCommittedIsReceivedWhenReceiversStay) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  auto counts = std::make_shared<Counts>();
  for (int round = 0; round < 10; ++round) {
    storm(rt, counts, q::mpsc::channel<Message>(3), 4, 1, false);
    storm(rt, counts, q::mpsc::channel<Message>(17), 4, 1, false);
    storm(rt, counts, q::mpmc::channel<Message>(2), 3, 3, false);
    storm(rt, counts, q::mpmc::channel<Message>(64), 3, 3, false);
    storm(rt, counts, q::rendezvous::channel<Message>(), 3, 3, false);
  }
  expect_accounted_for(rt, *counts, true);
  EXPECT_GT(counts->received.load(), 1000);
}

TEST(ChannelsStress, WhatNobodyReceivesIsDestroyedOnce) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  auto counts = std::make_shared<Counts>();
  for (int round = 0; round < 10; ++round) {
    storm(rt, counts, q::mpsc::channel<Message>(3), 3, 1, true);
    storm(rt, counts, q::mpsc::channel<Message>(17), 3, 1, true);
    storm(rt, counts, q::mpmc::channel<Message>(2), 3, 2, true);
    storm(rt, counts, q::mpmc::channel<Message>(64), 3, 2, true);
    storm(rt, counts, q::rendezvous::channel<Message>(), 3, 2, true);
  }
  expect_accounted_for(rt, *counts, false);
}

q::Task<> log_lines(q::Cx cx, Shared counts, q::mpsc::UnboundedSender<Message> log) {
  for (int i = 0; i < 2'000; ++i) {
    if (log.send(Message(counts, i))) commit(*counts, i);
    if (i % 64 == 0) co_await cx.yield();
  }
}

TEST(ChannelsStress, AnUnboundedChannelLosesNothing) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  auto counts = std::make_shared<Counts>();
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto [log, lines] = q::mpsc::unbounded_channel<Message>("log");
    for (int i = 0; i < 4; ++i) co_await scope.launch(cx, log_lines, counts, log);
    co_await scope.launch(cx, consume<q::mpsc::Receiver<Message>>, counts, std::move(lines));
  };
  EXPECT_TRUE(rt.block_on(body).is_ok());
  EXPECT_EQ(counts->received.load(), 8'000);
  expect_accounted_for(rt, *counts, true);
}

// A ring with a lock for each side, between threads that only send and tasks that only receive: as many messages as there is time for
// at both ends of it, full and empty.
template <std::uint32_t places>
void pass_through(q::Runtime& rt, int receivers) {
  static constexpr std::uint64_t messages = 40'000;
  std::atomic<std::uint64_t> sum{0};
  auto [tx, rx] = q::mpmc::channel<std::uint64_t>(places);
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto send = [](q::Cx inner, q::mpmc::Sender<std::uint64_t> mine) -> q::Task<> {
      for (std::uint64_t i = 1; i <= messages; ++i) co_await mine.send(inner, i);
    };
    auto receive = [](q::Cx inner, q::mpmc::Receiver<std::uint64_t> mine,
                      std::atomic<std::uint64_t>* total) -> q::Task<> {
      std::uint64_t last = 0, of_mine = 0;
      while (auto message = co_await mine.recv(inner)) {
        EXPECT_GT(*message, 0u);
        last = std::max(last, *message);
        of_mine += *message;
      }
      EXPECT_LE(last, messages);
      *total += of_mine;
    };
    for (int i = 0; i < 2; ++i) co_await scope.launch(cx, send, tx);
    for (int i = 0; i < receivers; ++i) co_await scope.launch(cx, receive, rx, q::unsafe_send(&sum));
    { auto gone = std::move(tx); }
    auto gone = std::move(rx);
  };
  EXPECT_TRUE(rt.block_on(body).is_ok());
  EXPECT_EQ(sum.load(), messages * (messages + 1));
}

TEST(ChannelsStress, ARingIsFullAndEmptyOnBothSidesAtOnce) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  pass_through<16>(rt, 1);
  pass_through<16>(rt, 3);
  pass_through<1024>(rt, 1);
  pass_through<1024>(rt, 3);
}

// Threads that run no task send, and drop the ends that others wait for.
TEST(ChannelsStress, EndsAreUsedAndDroppedOnAnyThread) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  auto counts = std::make_shared<Counts>();
  for (int round = 0; round < 50; ++round) {
    auto [log, lines] = q::mpsc::unbounded_channel<Message>("log");
    auto [tx, rx] = q::mpmc::channel<Message>(1);
    EXPECT_TRUE(tx.try_send(Message(counts, 1)));
    commit(*counts, 1);
    std::thread writer([&counts, mine = std::move(log)]() mutable {
      for (int i = 0; i < 100; ++i) {
        if (mine.send(Message(counts, i))) commit(*counts, i);
      }
      auto gone = std::move(mine);
    });
    std::thread leaver([mine = std::move(rx)]() mutable { auto gone = std::move(mine); });
    auto body = [&, in = &lines, out = &tx](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
      co_await scope.launch(cx, consume<q::mpsc::Receiver<Message>>, counts, std::move(*in));
      co_await out->closed(cx);
      EXPECT_FALSE(out->try_send(Message(counts, 2)));
    };
    EXPECT_TRUE(rt.block_on(body).is_ok());
    writer.join();
    leaver.join();
  }
  EXPECT_EQ(counts->received.load(), 50 * 100);
  expect_accounted_for(rt, *counts, false);
}

q::Task<> answer(q::Cx cx, Shared counts, q::oneshot::Sender<Message> tx) {
  if (cx.random_index(3) == 0) co_await cx.yield();
  if (cx.random_index(5) == 0) co_return;
  if (tx.send(Message(counts, 1))) commit(*counts, 1);
}

q::Task<bool> ask(q::Cx cx, Shared counts, q::oneshot::Receiver<Message> rx) {
  auto got = co_await rx.recv(cx).outcome();
  if (got.is_ok()) receive(*counts, got.value());
  co_return got.is_ok() || got.is_cancelled() || got.error().code() == q::ErrorCode::Disconnected;
}

TEST(ChannelsStress, EveryQuestionHasAnEnd) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  auto counts = std::make_shared<Counts>();
  std::atomic<int> ended{0};
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    for (int i = 0; i < 2'000; ++i) {
      auto [tx, rx] = q::oneshot::channel<Message>();
      auto asking = co_await scope.spawn(cx, ask, counts, std::move(rx));
      co_await scope.launch(cx, answer, counts, std::move(tx));
      if (i % 7 == 0) asking.abort();
      auto outcome = co_await asking.join(cx).outcome();
      if (outcome.is_cancelled() || outcome.value()) ++ended;
    }
  };
  EXPECT_TRUE(rt.block_on(body).is_ok());
  EXPECT_EQ(ended.load(), 2'000);
  expect_accounted_for(rt, *counts, false);
  EXPECT_GT(counts->received.load(), 500);
}

}  // namespace
