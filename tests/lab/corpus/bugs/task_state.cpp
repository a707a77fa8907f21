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
  co_await run_both(cx, scope, pay_in, pay_in);
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
  co_await run_both(cx, scope, need, need);
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
  auto ask = [&](q::Cx inner, q::Scope<>& tasks) -> q::Task<> {
    auto answering = start_task(inner, tasks, answer);
    if constexpr (!Fixed) {
      if (!is_there.load()) co_await inner.sleep(1h);
    }
    co_await answering.join(inner);
  };
  co_await scope.region(cx, q::FailFast{}, ask);
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
  auto shop = [&](q::Cx inner, q::Scope<>& tasks) -> q::Task<> {
    auto other = start_task(inner, tasks, other_customer);
    for (int attempt = 0; attempt < 2; ++attempt) {
      auto paying = start_task(inner, tasks, pay);
      q::Outcome<> ended = co_await tasks.timeout(inner, 1s, std::move(paying)).outcome();
      if (ended.is_ok()) break;
    }
    co_await other.join(inner);
  };
  co_await scope.region(cx, q::FailFast{}, shop);
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
  auto ask_both = [&](q::Cx inner, q::Scope<>& tasks) -> q::Task<> {
    auto here = tasks.spawn(inner, q::unsafe_send(buy)).value();
    auto there = tasks.spawn(inner, q::unsafe_send(buy)).value();
    const int offer = co_await tasks.race(inner, std::move(here), std::move(there));
    if constexpr (Fixed) bought.fetch_add(offer);  // the winner's offer alone is accepted
  };
  co_await scope.region(cx, q::FailFast{}, ask_both);
  lab::check(bought.load() == 1, "both sellers have sold");
}

/// Who has not been served looks again after a yield, for ever when the one to serve it has left.
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
  co_await run_both(cx, scope, serve, close);
  if constexpr (!Fixed) {
    while (!is_served.load()) co_await cx.yield();
  }
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
