// What a timeout or a race leaves behind, and a wait that looks again and again.
#include "../bugs.hpp"

namespace quiesce::lab::corpus {
namespace {

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
