// mpsc and mpmc in the lab: nothing is lost, and what is seen is explained by a queue (history.hpp).
#include <memory>
#include <string>

#include "lab/channel/queue_model.hpp"
#include "lab/sync/exploring.hpp"
#include "quiesce/channel/mpmc.hpp"
#include "quiesce/channel/mpsc.hpp"
#include "quiesce/select.hpp"

namespace quiesce::lab_tests {
namespace {

using namespace std::chrono_literals;
using Kind = QueueModel::Kind;
using Code = QueueModel::Code;
using Calls = History<QueueModel>;

// ---- linearizability ----

/// An end that the history knows of going, also when its task never begins.
template <class End, Kind drop>
struct Recorded {
  Calls* calls;
  std::optional<End> end;
  Recorded(Calls* history, End of) : calls(history), end(std::move(of)) {}
  Recorded(Recorded&& other) noexcept : calls(std::exchange(other.calls, nullptr)), end(std::move(other.end)) {}
  Recorded& operator=(Recorded&&) = delete;
  ~Recorded() {
    if (calls == nullptr) return;
    auto call = calls->invoke({drop});
    end.reset();
    call.returned({});
  }
  End* operator->() { return &*end; }
};
using Tx = Recorded<mpmc::Sender<int>, Kind::DropSender>;
template <class Receiver>
using Rx = Recorded<Receiver, Kind::DropReceiver>;

Task<> sends(Cx cx, Calls* calls, Tx tx, int first, int count) {
  for (int value = first; value < first + count; ++value) {
    auto call = calls->invoke({Kind::Send, value});
    Outcome<> sent = co_await tx->send(cx, value).outcome();
    if (sent.is_cancelled()) break;
    call.returned({sent.is_ok() ? Code::Ok : Code::Disconnected});
  }
}

Task<> reserves(Cx cx, Calls* calls, Tx tx, int value) {
  auto call = calls->invoke({Kind::Send, value});
  Outcome<mpmc::SendPermit<int>> reserved = co_await tx->reserve(cx).outcome();
  if (reserved.is_cancelled()) co_return;
  if (!reserved.is_ok()) {
    call.returned({Code::Disconnected});
    co_return;
  }
  auto permit = std::move(reserved).value();
  co_await cx.yield();  // cancelled here it has not sent
  call.returned({permit.send(value) ? Code::Ok : Code::Disconnected});
}

Task<> tries(Cx cx, Calls* calls, Tx tx, int value) {
  for (int i = 0; i < 2; ++i) {
    auto sent = tx->try_send(value + i);
    const Code code = sent ? Code::Ok : sent.error().is_full() ? Code::Full : Code::Disconnected;
    calls->did({Kind::TrySend, value + i}, {code});
    co_await cx.yield();
  }
}

/// So many; then it goes, or closes and takes the rest.
template <class Receiver>
Task<> receives(Cx cx, Calls* calls, Rx<Receiver> rx, int count, bool closes) {
  for (int i = 0; i < count; ++i) {
    auto call = calls->invoke({Kind::Recv});
    std::optional<int> message = co_await rx->recv(cx);
    call.returned(message ? QueueModel::Result{Code::Ok, *message} : QueueModel::Result{Code::Disconnected});
    if (!message) co_return;
  }
  if (!closes) co_return;
  auto call = calls->invoke({Kind::Close});
  rx->close();
  call.returned({});
  for (auto message = rx->try_recv(); message; message = rx->try_recv())
    calls->did({Kind::TryRecv}, {Code::Ok, *message});
}

Task<> sends_one(Cx cx, Calls* calls, Tx tx, int value) {
  auto task = sends(cx, calls, std::move(tx), value, 1);
  co_await std::move(task);
}
Task<> reserves_one(Cx cx, Calls* calls, Tx tx, int value) {
  auto task = reserves(cx, calls, std::move(tx), value);
  co_await std::move(task);
}

/// What a run's tasks are given; what they do not take is dropped before they begin.
template <class Receiver>
struct Ends {
  Calls& calls;
  std::pair<mpmc::Sender<int>, Receiver> ends;
  auto tx() { return UnsafeSend(Tx(&calls, ends.first)); }
  auto rx() requires std::copyable<Receiver> { return UnsafeSend(Rx<Receiver>(&calls, ends.second)); }
  auto last_rx() { return UnsafeSend(Rx<Receiver>(&calls, std::move(ends.second))); }
  auto history() { return unsafe_send(&calls); }
};

template <bool closes>
Task<> two_senders_one_receiver(Cx cx, Scope<>&) {
  Calls calls(QueueModel::State(1, 2));
  auto inside = [&calls](Cx mine, Scope<>& scope) -> Task<> {
    Ends<mpsc::Receiver<int>> all{calls, mpsc::channel<int>(1, "jobs")};
    scope.launch(mine, sends, all.history(), all.tx(), 1, 2).value();
    scope.launch(mine, sends, all.history(), all.tx(), 11, 1).value();
    scope.launch(mine, receives<mpsc::Receiver<int>>, all.history(), all.last_rx(), closes ? 2 : 4, closes)
        .value();
    co_return;
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  calls.check();
}

Task<> permits_and_tries(Cx cx, Scope<>&) {
  Calls calls(QueueModel::State(2, 3));
  auto inside = [&calls](Cx mine, Scope<>& scope) -> Task<> {
    Ends<mpsc::Receiver<int>> all{calls, mpsc::channel<int>(2, "jobs")};
    scope.launch(mine, reserves, all.history(), all.tx(), 1).value();
    scope.launch(mine, tries, all.history(), all.tx(), 11).value();
    scope.launch(mine, sends, all.history(), all.tx(), 21, 2).value();
    scope.launch(mine, receives<mpsc::Receiver<int>>, all.history(), all.last_rx(), 3, true).value();
    co_return;
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  calls.check();
}

Task<> logs(Cx cx, Calls* calls, Recorded<mpsc::UnboundedSender<int>, Kind::DropSender> log, int first) {
  for (int value = first; value < first + 2; ++value) {
    calls->did({Kind::Send, value}, {log->send(value) ? Code::Ok : Code::Disconnected});
    co_await cx.yield();
  }
}

Task<> logging(Cx cx, Scope<>&) {
  Calls calls(QueueModel::State(100, 2));
  auto inside = [&calls](Cx mine, Scope<>& scope) -> Task<> {
    using Log = Recorded<mpsc::UnboundedSender<int>, Kind::DropSender>;
    using Lines = Rx<mpsc::Receiver<int>>;
    auto [log, lines] = mpsc::unbounded_channel<int>("log");
    scope.launch(mine, logs, unsafe_send(&calls), UnsafeSend(Log(&calls, log)), 1).value();
    scope.launch(mine, logs, unsafe_send(&calls), UnsafeSend(Log(&calls, std::move(log))), 11).value();
    scope
        .launch(mine, receives<mpsc::Receiver<int>>, unsafe_send(&calls),
                UnsafeSend(Lines(&calls, std::move(lines))), 3, true)
        .value();
    co_return;
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  calls.check();
}

TEST(LabMpsc, AnUnboundedChannelIsAQueueToo) {
  expect_holds(logging);
  EXPECT_GT(expect_exhausted(logging), 20u);
}

template <int senders, int first, int second>
Task<> to_two_receivers(Cx cx, Scope<>&) {
  using Receiver = mpmc::Receiver<int>;
  Calls calls(QueueModel::State(1, senders, 2));
  auto inside = [&calls](Cx mine, Scope<>& scope) -> Task<> {
    Ends<Receiver> all{calls, mpmc::channel<int>(1, "jobs")};
    scope.launch(mine, receives<Receiver>, all.history(), all.rx(), first, false).value();
    for (int i = 0; i < senders; ++i) scope.launch(mine, sends, all.history(), all.tx(), 10 * i, 2).value();
    scope.launch(mine, receives<Receiver>, all.history(), all.last_rx(), second, second > 1).value();
    co_return;
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  calls.check();
}

/// Rings that have a lock for each side, one place short of being full when the tasks begin, or empty.
constexpr std::uint32_t split_places = quiesce::detail::QueueCore::split_places_min;

template <class Receiver>
void fill(Calls& calls, Ends<Receiver>& all, std::uint32_t messages) {
  for (std::uint32_t i = 0; i < messages; ++i) {
    const int value = 100 + static_cast<int>(i);
    calls.did({Kind::TrySend, value}, {all.ends.first.try_send(value) ? Code::Ok : Code::Full});
  }
}

template <bool closes>
Task<> into_a_nearly_full_ring(Cx cx, Scope<>&) {
  Calls calls(QueueModel::State(split_places, 2));
  auto inside = [&calls](Cx mine, Scope<>& scope) -> Task<> {
    Ends<mpsc::Receiver<int>> all{calls, mpsc::channel<int>(split_places, "jobs")};
    fill(calls, all, split_places - 1);
    scope.launch(mine, sends, all.history(), all.tx(), 1, 2).value();
    scope.launch(mine, closes ? sends_one : reserves_one, all.history(), all.tx(), 11).value();
    scope.launch(mine, receives<mpsc::Receiver<int>>, all.history(), all.last_rx(), closes ? 2 : 18, closes)
        .value();
    co_return;
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  calls.check();
}

template <int senders>
Task<> out_of_an_empty_ring(Cx cx, Scope<>&) {
  using Receiver = mpmc::Receiver<int>;
  Calls calls(QueueModel::State(split_places, senders, 2));
  auto inside = [&calls](Cx mine, Scope<>& scope) -> Task<> {
    Ends<Receiver> all{calls, mpmc::channel<int>(split_places, "jobs")};
    scope.launch(mine, receives<Receiver>, all.history(), all.rx(), 1, false).value();
    for (int i = 0; i < senders; ++i) scope.launch(mine, sends, all.history(), all.tx(), 10 * i, 2).value();
    scope.launch(mine, receives<Receiver>, all.history(), all.last_rx(), 2, senders > 1).value();
    co_return;
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  calls.check();
}

TEST(LabMpsc, ARingWithALockForEachSideIsAQueue) {
  expect_holds(into_a_nearly_full_ring<true>);
  expect_holds(into_a_nearly_full_ring<false>);
  expect_every_class(into_a_nearly_full_ring<true>);
  expect_exhausted(into_a_nearly_full_ring<false>);
}

TEST(LabMpmc, ARingWithALockForEachSideIsAQueue) {
  expect_holds(out_of_an_empty_ring<2>);
  expect_every_class(out_of_an_empty_ring<1>);
}

TEST(LabMpsc, WhatIsSeenIsAQueue) {
  expect_holds(two_senders_one_receiver<true>);
  expect_holds(two_senders_one_receiver<false>);
  expect_holds(permits_and_tries);
  expect_every_class(two_senders_one_receiver<true>);
}

TEST(LabMpmc, WhatIsSeenIsAQueue) {
  expect_holds(to_two_receivers<2, 1, 3>);
  expect_holds(to_two_receivers<1, 1, 1>);
  expect_every_class(to_two_receivers<1, 1, 1>);
}

// ---- nothing is lost ----

/// A channel whose ends are in the body, with counts that must be even when all tasks have ended.
struct Shop {
  std::pair<mpsc::Sender<int>, mpsc::Receiver<int>> ends = mpsc::channel<int>(1, "orders");
  int sent = 0, received = 0, ended = 0;

  /// When nothing else moves: who still waits does so because somebody was cancelled, and is sent home.
  Task<> close_late(Cx cx, int tasks) {
    co_await cx.sleep(1s);
    lab::check(ended < tasks || ends.first.statistics().waiters == 0,
               "nobody waits when all have done their part");
    ends.second.close();
  }
};

Task<> orders(Cx cx, Shop* shop) {
  auto permit = co_await shop->ends.first.reserve(cx);
  co_await cx.yield();
  permit.send(1);
  ++shop->sent;
  ++shop->ended;
}
Task<> hesitates(Cx cx, Shop* shop) {
  auto permit = co_await shop->ends.first.reserve(cx);
  co_await cx.yield();  // and drops it
  ++shop->ended;
}
Task<> serves(Cx cx, Shop* shop) {
  auto order = co_await shop->ends.second.recv(cx);
  if (order) ++shop->received;
  ++shop->ended;
}

void expect_even(Shop& shop) {
  const ChannelStatistics look = shop.ends.second.statistics();
  lab::check(look.reserved == 0, "every place has come back");
  lab::check(look.waiters == 0, "nobody is left in a list");
  lab::check(shop.sent == shop.received + static_cast<int>(look.length),
             "a message is received, or lies there");
  for (std::uint32_t left = look.length; left > 0; --left)
    lab::check(shop.ends.second.try_recv().has_value(), "what lies there can be taken");
  auto more = shop.ends.first.try_send(1);
  lab::check(more.has_value() == !look.is_closed, "there is room again, unless it was closed");
}

Task<> shopping(Cx cx, Scope<>&) {
  Shop shop;
  auto inside = [&shop](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, orders, unsafe_send(&shop));
    co_await scope.launch(mine, hesitates, unsafe_send(&shop));
    co_await scope.launch(mine, orders, unsafe_send(&shop));
    co_await scope.launch(mine, serves, unsafe_send(&shop));
    co_await scope.launch(mine, serves, unsafe_send(&shop));
    auto late = shop.close_late(mine, 5);
    co_await std::move(late);
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  expect_even(shop);
  lab::sometimes(shop.received == 2, "everybody was served");
}

Task<> small_shop(Cx cx, Scope<>&) {
  Shop shop;
  auto inside = [&shop](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, orders, unsafe_send(&shop));
    co_await scope.launch(mine, serves, unsafe_send(&shop));
    auto late = shop.close_late(mine, 2);
    co_await std::move(late);
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  expect_even(shop);
}

TEST(LabMpsc, PlacesAndMessagesAreNeitherLostNorMade) {
  expect_holds(shopping);
  EXPECT_GT(expect_exhausted(shopping), 100u);
}
TEST(LabMpsc, DporSeesEveryClass) { expect_every_class(small_shop); }

// ---- closing ----

Task<> closing(Cx cx, Scope<>&) {
  Shop shop;
  auto inside = [&shop](Cx mine, Scope<>& scope) -> Task<> {
    auto sends_two = [](Cx own, Shop* where) -> Task<> {
      for (int i = 0; i < 2; ++i) {
        Outcome<> sent = co_await where->ends.first.send(own, i).outcome();
        if (sent.is_ok()) ++where->sent;
      }
    };
    auto watches = [](Cx own, Shop* where) -> Task<> { co_await where->ends.first.closed(own); };
    co_await scope.launch(mine, sends_two, unsafe_send(&shop));
    co_await scope.launch(mine, watches, unsafe_send(&shop));
    co_await mine.yield();
    shop.ends.second.close();
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  const ChannelStatistics look = shop.ends.second.statistics();
  lab::check(look.waiters == 0 && look.reserved == 0, "nobody waits for what is closed");
  lab::check(static_cast<int>(look.length) == shop.sent, "what was sent is still there");
}

TEST(LabMpsc, NobodyHangsOnAClosedChannel) {
  expect_holds(closing);
  expect_every_class(closing);
}

// ---- select ----

Task<> selecting(Cx cx, Scope<>&) {
  auto [atx, arx] = mpsc::channel<int>(1, "a");
  auto [btx, brx] = mpsc::channel<int>(1, "b");
  struct Both {
    mpsc::Sender<int>*atx, *btx;
    mpsc::Receiver<int>*arx, *brx;
    int put = 0, got = 0;
  } both{&atx, &btx, &arx, &brx};
  auto inside = [&both](Cx mine, Scope<>& scope) -> Task<> {
    auto puts = [](Cx own, Both* ends) -> Task<> {
      auto first = co_await select(own, ends->atx->send(1), ends->btx->reserve(), own.sleep(1ms));
      if (auto* permit = std::get_if<1>(&first)) permit->send(2);
      if (first.index() < 2) ++ends->put;
    };
    auto gets = [](Cx own, Both* ends) -> Task<> {
      auto first = co_await select(own, ends->arx->recv(), ends->brx->recv(), own.sleep(1ms));
      if (first.index() < 2) ++ends->got;
    };
    co_await scope.launch(mine, puts, unsafe_send(&both));
    co_await scope.launch(mine, gets, unsafe_send(&both));
    co_await scope.launch(mine, puts, unsafe_send(&both));
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  lab::check(both.put == both.got + static_cast<int>(arx.len() + brx.len()),
             "each select did one thing or none");
  lab::check(arx.statistics().reserved + brx.statistics().reserved == 0, "no place is kept");
  lab::check(arx.statistics().waiters + brx.statistics().waiters == 0, "nobody is left in a list");
  lab::sometimes(both.got == 1, "a message was received");
}

TEST(LabMpsc, ASelectDoesAtMostOneThing) {
  expect_holds(selecting);
  EXPECT_GT(expect_exhausted(selecting), 6u);
}

Task<> deadlocked(Cx cx, Scope<>&) {
  auto [tx, rx] = mpsc::channel<int>(1, "orders");
  (void)co_await rx.recv(cx);
}

TEST(LabMpsc, ADeadlockNamesTheChannel) {
  const lab::Report report = lab::run({}, deadlocked);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::deadlock);
  EXPECT_NE(report.failure()->message.find("waits for a message of a channel \"orders\""), std::string::npos)
      << report.failure()->message;
}

}  // namespace
}  // namespace quiesce::lab_tests
