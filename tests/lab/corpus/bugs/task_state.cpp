// What tasks that share state get wrong: a co_await in the middle, a look before a sleep.
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

enum Entry { Empty, Filling, Full };  // within the coroutine g++ 12 may not compile it

/// Two that need the same value, which takes a while to make.
template <bool Fixed>
q::Task<> fill_cache(q::Cx cx, q::Scope<>& scope) {
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

}  // namespace quiesce::lab::corpus
