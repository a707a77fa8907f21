#pragma once
// select: wait for several operations inside one task, until the first of them takes effect.
//
//   auto first = co_await q::select(cx, rx.recv(), tx.reserve(), cx.sleep(1s));
//   if (auto* message = std::get_if<0>(&first)) use(*message);
//   else if (auto* permit = std::get_if<1>(&first)) permit->send(7);
//   else give_up();
//
// Exactly one of the operations takes effect; the others leave no trace: no message is taken, no place in a queue kept, no permit held,
// and a task whose join did not win keeps its result, which its handle still gives. So there is nothing to hand back, and nothing is lost
// by selecting in a loop.
// Branches are what the library's primitives give: with a context or without (`rx.recv()`), `cx.sleep(d)`, `cx.sleep_until(t)`,
// `handle.join(cx)`, a timeout of any of these. A Task is no branch: dropping a half-run one would lose what it has done. Spawn it, and
// select its join. docs/laws.md has the list of all operations, and which of them stands for what the library gives as a Task.
// Some branches ask a predicate of the user (`value.wait_until(p)`, `filled.wait(guard, p)`): in the task, under no lock; where it does
// not hold yet all wait on, and the others keep their places.
// The result is a std::variant with one alternative for each branch, std::monostate where the operation gives nothing. A branch that
// fails ends the coroutine as `co_await` of it alone would; `branch.outcome()` gives its Outcome instead; `select(...).outcome()`
// gives the whole as an Outcome.
// Of several that could take effect at once `select` begins with a branch drawn from the context's entropy, `select_biased` with the
// first. A cancel point. Cancel-safety: a request that wins leaves every operation undone. Cost: each branch one try, and while it
// waits 32 bytes in the frame and a place in a list; no allocation. Misuse: those of the branches.
#include <tuple>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/sync/select.hpp"

namespace quiesce {

template <class Caps, class... As>
auto select(const BasicCx<Caps>& cx, As... branches) {
  static_assert(sizeof...(As) > 0, "quiesce: select needs something to wait for");
  return Select<detail::Branch<As>...>(
      cx.core(), false,
      std::tuple<typename detail::Branch<As>::Op...>(detail::operation_of<As>(std::move(branches))...));
}

/// Prefers the first of those that can take effect at once.
template <class Caps, class... As>
auto select_biased(const BasicCx<Caps>& cx, As... branches) {
  static_assert(sizeof...(As) > 0, "quiesce: select needs something to wait for");
  return Select<detail::Branch<As>...>(
      cx.core(), true,
      std::tuple<typename detail::Branch<As>::Op...>(detail::operation_of<As>(std::move(branches))...));
}

}  // namespace quiesce
