#pragma once
// fork_join: divide and conquer within one expression.
//
//   q::Task<long> fib(q::Cx cx, int n) {
//     if (n < 2) co_return n;
//     auto [a, b] = co_await q::fork_join(cx, q::fork(fib, n - 1), q::call(fib, n - 2));
//     co_return a + b;
//   }
//
// Branches are functions that take a context first and return a Task: any number of forks and at most one call. The call runs at once,
// in the task that awaits; a fork is only on offer, for other workers to take, and costs some instructions. One that nobody has taken
// when it is due runs in the same task, too, newest first. One that was taken is a task of its own, in the same region; so is one that
// has not begun when the awaiting task has to wait or gives way. The branches of a local task stay on its worker. The values come as a tuple in the order of the branches, std::monostate
// for a Task<>.
//
// Nothing outlives the expression: there is no handle, and the coroutine goes on, or is unwound, only when every branch has ended
// (R6). So branches may borrow: what is an lvalue here is passed by reference, the rest is kept until the branch begins. They
// may run at the same time on several workers, in any order: what one writes no other may touch, and none may wait for another
// (spawn those). Each uses the context that it is given, never one it has captured.
// Outcomes: the worst of all branches ends the awaiting coroutine, the first of equals, the others attached (O2); to see it, put
// the expression into a Task and await that one's `.outcome()`. A branch that fails asks those that are tasks, or have not begun, to stop
// (FailFast), and all are waited for; one that is under way in the awaiting task itself is not disturbed.
// Cancel-safety: not a cancel point itself. A request on the awaiting task reaches every branch, and each ends as it sees fit; what the
// expression gives is what they gave. Under a mask the branches run masked (C11).
// Refusals: a context that is not the calling task's own ends the coroutine with ForeignContext or StaleContext, and no branch begins. A
// region that closes, or is at its limit of tasks, refuses no branch.
// Budgets: branches spend those of their region. What runs in the awaiting task is part of its steps, which may be longer than
// others: a worker with nothing else to do does not interrupt it (H4).
// Deterministic for pure branches: which of them ran where shows only in their task ids, random numbers and the order of effects.
// Thread-safety: as the branches'. Cost: for a branch that nobody takes, its frame and some 20 ns; no record, no queue, no lock.
#include <tuple>
#include <type_traits>
#include <utility>

#include "quiesce/detail/scope/fork_join.hpp"

namespace quiesce {

/// `f(cx, args...)`, on offer to other workers until it is due.
template <class F, class... Args>
[[nodiscard]] auto fork(F&& function, Args&&... args) {
  static_assert(detail::SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  return detail::ForkBranch<true, detail::HeldFunction<F>, Args...>(std::in_place, std::forward<F>(function),
                                                                    std::forward<Args>(args)...);
}

/// `f(cx, args...)`, at once and in the awaiting task.
template <class F, class... Args>
[[nodiscard]] auto call(F&& function, Args&&... args) {
  static_assert(detail::SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  return detail::ForkBranch<false, detail::HeldFunction<F>, Args...>(std::in_place, std::forward<F>(function),
                                                                     std::forward<Args>(args)...);
}

/// What `fork_join` gives: to be awaited where it stands.
template <class Caps, class... Branches>
class [[nodiscard]] ForkJoin {
  static_assert(detail::OnlyBranches<Branches...>,
                "quiesce: fork_join takes forks and calls: fork(f, args...) for a task f(cx, args...)");
  static_assert(detail::OneCallAtMost<(detail::CheckedBranch<Caps, Branches>::calls + ... + 0)>,
                "quiesce: fork_join takes at most one call: fork the others");

 public:
  using quiesce_awaiter = detail::ForkJoinAwaiter<Caps, Branches...>;
  using quiesce_awaited_in_place = void;

  template <class Context>
  ForkJoin(const Context& cx, Branches&... branches) : cx_(cx.core()), branches_(branches...) {}
  ForkJoin(const ForkJoin&) = delete;
  ForkJoin& operator=(const ForkJoin&) = delete;

 private:
  friend quiesce_awaiter;
  detail::CxCore cx_;
  detail::BranchRow<std::index_sequence_for<Branches...>, Branches...> branches_;
};

template <class Caps, class... Branches>
auto fork_join(const BasicCx<Caps>& cx, Branches... branches) {
  return ForkJoin<Caps, Branches...>(cx, branches...);
}

}  // namespace quiesce
