// What tasks that share state get wrong: a co_await in the middle, a look before a sleep, what a timeout or a race leaves behind.
#include <optional>

#include "../bugs.hpp"

namespace quiesce::lab::corpus {
namespace {

template <bool Fixed>
q::Task<> deposits(q::Cx cx, q::Scope<>& scope) {
  lab::atomic<int> balance{0, "balance"};
  auto pay_in = [&](q::Cx mine) -> q::Task<> {
    const int seen = Fixed ? 0 : balance.load();
    co_await mine.yield();  // asks somebody, say, whether the payment is good
    if constexpr (Fixed) {
      balance.fetch_add(1);
    } else {
      balance.store(seen + 1);
    }
  };
  auto a = start_task(cx, scope, pay_in);
  auto b = start_task(cx, scope, pay_in);
  co_await a.join(cx);
  co_await b.join(cx);
  lab::check(balance.load() == 2, "a deposit was lost across a co_await");
}

/// Two that need the same value, which takes a while to make.
template <bool Fixed>
q::Task<> fill_cache(q::Cx cx, q::Scope<>& scope) {
  enum Entry { Empty, Filling, Full };
  lab::atomic<int> entry{Empty, "entry"};
  lab::atomic<int> computed{0, "computed"};
  auto need = [&](q::Cx mine) -> q::Task<> {
    if constexpr (Fixed) {
      int seen = Empty;
      if (!entry.compare_exchange_strong(seen, Filling)) co_return;  // somebody is at it
    } else if (entry.load() != Empty) {
      co_return;
    }
    computed.fetch_add(1);
    co_await mine.yield();
    entry.store(Full);
  };
  auto a = start_task(cx, scope, need);
  auto b = start_task(cx, scope, need);
  co_await a.join(cx);
  co_await b.join(cx);
  lab::check(computed.load() == 1, "the value was computed twice");
}

/// A look at a flag, and a long sleep when it is not yet set, instead of a wait for whoever sets it.
template <bool Fixed>
q::Task<> wait_for_answer(q::Cx cx, q::Scope<>& scope) {
  lab::atomic<bool> is_there{false, "answer"};
  auto answer = [&](q::Cx) -> q::Task<> {
    is_there.store(true);
    co_return;
  };
  const q::Time begun = cx.now();
  auto answering = start_task(cx, scope, answer);
  if constexpr (!Fixed) {
    if (!is_there.load()) co_await cx.sleep(1h);
  }
  co_await answering.join(cx);
  lab::check(is_there.load(), "there is an answer");
  lab::check(cx.now() - begun < 1min, "the answer is slept through");
}

/// A payment takes effect, and the answer that it has is late: the timeout calls it failed, and it is made again.
template <bool Fixed>
q::Task<> pay_with_retry(q::Cx cx, q::Scope<>& scope) {
  lab::atomic<int> paid{0, "paid"};
  lab::atomic<bool> is_known{false, "payment id"};
  lab::atomic<bool> is_busy{false, "busy"};
  auto pay = [&](q::Cx mine) -> q::Task<> {
    if (!Fixed || !is_known.exchange(true)) paid.fetch_add(1);
    if (is_busy.exchange(true)) co_await mine.sleep(2s);  // only then comes the receipt
    is_busy.store(false);
  };
  auto other_customer = [&](q::Cx mine) -> q::Task<> {
    if (is_busy.exchange(true)) co_return;
    co_await mine.sleep(3s);
    is_busy.store(false);
  };
  auto other = start_task(cx, scope, other_customer);
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto paying = start_task(cx, scope, pay);
    q::Outcome<> ended = co_await scope.timeout(cx, 1s, std::move(paying)).outcome();
    if (ended.is_ok()) break;
  }
  co_await other.join(cx);
  lab::check(paid.load() == 1, "a payment was made again after its timeout");
}

/// Two sellers are asked at once, and the first answer counts. The loser may have sold as well.
template <bool Fixed>
q::Task<> buy_from_the_faster(q::Cx cx, q::Scope<>& scope) {
  lab::atomic<int> bought{0, "bought"};
  auto buy = [&](q::Cx mine) -> q::Task<int> {
    co_await mine.yield();  // the offer
    co_await mine.yield();
    if constexpr (!Fixed) bought.fetch_add(1);
    co_return 1;
  };
  auto here = scope.spawn(cx, q::unsafe_send(buy)).value();
  auto there = scope.spawn(cx, q::unsafe_send(buy)).value();
  const int offer = co_await scope.race(cx, std::move(here), std::move(there));
  if constexpr (Fixed) bought.fetch_add(offer);  // the winner's offer alone is accepted
  lab::check(bought.load() == 1, "both sellers have sold");
}

/// Who is not served yet looks again after a yield, for ever when the one to serve it has left early.
template <bool Fixed>
q::Task<> wait_by_yielding(q::Cx cx, q::Scope<>& scope) {
  lab::atomic<bool> is_closing{false, "closing"};
  lab::atomic<bool> is_served{false, "served"};
  auto serve = [&](q::Cx) -> q::Task<> {
    if (!is_closing.load()) is_served.store(true);
    co_return;
  };
  auto close = [&](q::Cx) -> q::Task<> {
    is_closing.store(true);
    co_return;
  };
  auto server = start_task(cx, scope, serve);
  auto closer = start_task(cx, scope, close);
  if constexpr (!Fixed) {
    while (!is_served.load()) co_await cx.yield();
  }
  co_await server.join(cx);
  co_await closer.join(cx);
}

}  // namespace

Bug lost_update_across_await() {
  return {.name = "update across a co_await",
          .wrong = "a balance is read before a co_await and written back after it",
          .message = {"a deposit was lost across a co_await"},
          .buggy = deposits<false>,
          .fixed = deposits<true>};
}

Bug stampede() {
  return {.name = "cache stampede",
          .wrong = "two tasks find the entry empty, and both compute it",
          .message = {"the value was computed twice"},
          .buggy = fill_cache<false>,
          .fixed = fill_cache<true>};
}

Bug slept_through() {
  return {.name = "look, then sleep",
          .wrong = "a task sleeps for an hour because the answer was not there a moment before",
          .message = {"the answer is slept through"},
          .buggy = wait_for_answer<false>,
          .fixed = wait_for_answer<true>};
}

Bug paid_twice() {
  return {.name = "timeout against completion",
          .wrong = "a payment that took effect and whose receipt was late is made again",
          .message = {"a payment was made again after its timeout"},
          .buggy = pay_with_retry<false>,
          .fixed = pay_with_retry<true>};
}

Bug both_won() {
  return {.name = "race with effects",
          .wrong = "the loser of a race has had its effect before it was cancelled",
          .message = {"both sellers have sold"},
          .buggy = buy_from_the_faster<false>,
          .fixed = buy_from_the_faster<true>};
}

Bug yield_loop() {
  return {.name = "waiting by yields",
          .wrong = "a task yields until it is served, and the server has left",
          .kind = FailureKind::livelock,
          .message = {"no end after"},
          .buggy = wait_by_yielding<false>,
          .fixed = wait_by_yielding<true>};
}

}  // namespace quiesce::lab::corpus
