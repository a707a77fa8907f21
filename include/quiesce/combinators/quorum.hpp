#pragma once
// quorum and first_ok: of several tasks the first that succeed.
//
//   auto acks = co_await q::quorum(cx, scope, 2, std::move(writes));     // std::vector<q::RaceResult<T>>: two of them
//   int answer = co_await q::first_ok(cx, scope, std::move(replicas));   // fails only if all of them do
//
// quorum waits until `needed` tasks have ended Ok, and gives their values and indices in the order in which they won; among those that
// are ready at once more than needed, the context's entropy draws (as in a race, J2). When so many have failed that it cannot be
// reached, the failure that decided it is the result, the earlier ones attached. Either way the others are cancelled (RaceLost, or
// FailFast) and have ended when it returns (C9). A panic of any branch, a loser's too, is the result in the end: it is a bug, no answer.
// first_ok is a quorum of one, without the index; when all have failed the worst failure is the result, the first of equals standing,
// the others attached.
// Failures of branches have been seen by it: they do not go to the region's policy as well (R7); panics always do.
// A cancel point. Cancelled while it waits, it cancels its branches, drains them and ends Cancelled (J6). Refuses: as scope.race (a scope
// of another region; a handle that was moved from); InvalidArgument for more than there are tasks, and for a first_ok of none.
// Cost: a frame; each wait looks at those that still run.
#include <optional>
#include <utility>
#include <vector>

#include "quiesce/scope.hpp"

namespace quiesce {

namespace detail {

enum class QuorumEnd : std::uint8_t { Reached, Missed, Cancelled };
struct QuorumCount {
  QuorumEnd end = QuorumEnd::Reached;
  std::vector<std::size_t> won, failed;  // in the order in which they were seen

  QuorumCount() = default;
};

/// Waits for so many Ok, or for as many failures as exclude that; all have ended then.
Task<QuorumCount> wait_quorum(TaskSpan tasks, CxCore cx, std::size_t needed);
std::optional<Error> quorum_misuse(ScopeCore scope, CxCore cx, TaskSpan tasks, std::size_t needed,
                                   const char* what);

/// Every outcome; the handles have been seen (R7).
template <class T, class E>
std::vector<Outcome<T, E>> take_outcomes(std::vector<TaskHandle<T, E>>& handles) {
  std::vector<Outcome<T, E>> outcomes;
  outcomes.reserve(handles.size());
  for (auto& handle : handles) outcomes.push_back(take_outcome(handle));
  return outcomes;
}

/// What a quorum that has ended fails with, if it does.
template <class Result, class T, class E, class Fold>
std::optional<Outcome<Result>> quorum_failure(const QuorumCount& count,
                                              const std::optional<PanicPayload>& panic,
                                              std::vector<Outcome<T, E>>& outcomes, Fold fold) {
  std::optional<Outcome<Result>> failure;
  if (count.end == QuorumEnd::Missed) failure.emplace(fold(outcomes));
  if (panic && failure) {
    if (!failure->is_panicked()) failure = std::move(*failure).join(Outcome<Result>::panicked(*panic));
  } else if (panic) {
    failure.emplace(Outcome<Result>::panicked(*panic));
  }
  return failure;
}

template <class T, class E>
Task<std::vector<RaceResult<T>>> quorum_handles(ScopeCore scope, CxCore cx, std::size_t needed,
                                                std::vector<TaskHandle<T, E>> handles) {
  using Result = std::vector<RaceResult<T>>;
  std::vector<TaskRecord*> records = records_of_all(handles);
  if (auto misuse = quorum_misuse(scope, cx, records, needed, "quorum")) co_await fail(std::move(*misuse));
  QuorumCount count = co_await wait_quorum(records, cx, needed);
  if (count.end == QuorumEnd::Cancelled) {
    auto finish = end_cancelled(records).template as<Result>();
    co_await std::move(finish);
  }
  const std::optional<PanicPayload> panic = panic_of(records);  // before the outcomes are moved out
  std::vector<Outcome<T, E>> outcomes = take_outcomes(handles);
  auto decisive = [&](std::vector<Outcome<T, E>>& all) {
    auto failure = std::move(all[count.failed.back()]).template failure_as<Result, Error>();
    for (std::size_t i = 0; i + 1 < count.failed.size(); ++i) failure.attach(all[count.failed[i]]);
    return failure;
  };
  if (auto failure = quorum_failure<Result>(count, panic, outcomes, decisive)) {
    FinishWith<Result, Error> finish(std::move(*failure));
    co_await std::move(finish);
  }
  Result won;
  for (std::size_t index : count.won) {
    if constexpr (std::is_void_v<T>) {
      won.push_back({index});
    } else {
      won.push_back({std::move(outcomes[index]).value(), index});
    }
  }
  co_return won;
}

template <class T, class E>
Task<T> first_ok_handles(ScopeCore scope, CxCore cx, std::vector<TaskHandle<T, E>> handles) {
  std::vector<TaskRecord*> records = records_of_all(handles);
  if (auto misuse = quorum_misuse(scope, cx, records, 1, "first_ok")) co_await fail(std::move(*misuse));
  QuorumCount count = co_await wait_quorum(records, cx, 1);
  if (count.end == QuorumEnd::Cancelled) {
    auto finish = end_cancelled(records).template as<T>();
    co_await std::move(finish);
  }
  const std::optional<PanicPayload> panic = panic_of(records);  // before the outcomes are moved out
  std::vector<Outcome<T, E>> outcomes = take_outcomes(handles);
  auto worst = [&](std::vector<Outcome<T, E>>& all) {
    auto so_far = std::move(all[count.failed.front()]).template failure_as<T, Error>();
    for (std::size_t i = 1; i < count.failed.size(); ++i) {
      so_far = std::move(so_far).join(std::move(all[count.failed[i]]).template failure_as<T, Error>());
    }
    return so_far;
  };
  if (auto failure = quorum_failure<T>(count, panic, outcomes, worst)) {
    FinishWith<T, Error> finish(std::move(*failure));
    co_await std::move(finish);
  }
  if constexpr (!std::is_void_v<T>) co_return std::move(outcomes[count.won.front()]).value();
}

}  // namespace detail

template <class Caps, class P, class T, class E>
auto quorum(const BasicCx<Caps>& cx, const Scope<P>& scope, std::size_t needed,
            std::vector<TaskHandle<T, E>> handles) {
  return detail::quorum_handles<T, E>(scope.core(), cx.core(), needed, std::move(handles));
}
template <class Caps, class P, class T, class E, class... More>
auto quorum(const BasicCx<Caps>& cx, const Scope<P>& scope, std::size_t needed, TaskHandle<T, E> first,
            More... more) {
  return detail::quorum_handles<T, E>(scope.core(), cx.core(), needed,
                                      detail::handle_list(std::move(first), std::move(more)...));
}

template <class Caps, class P, class T, class E>
auto first_ok(const BasicCx<Caps>& cx, const Scope<P>& scope, std::vector<TaskHandle<T, E>> handles) {
  return detail::first_ok_handles<T, E>(scope.core(), cx.core(), std::move(handles));
}
template <class Caps, class P, class T, class E, class... More>
auto first_ok(const BasicCx<Caps>& cx, const Scope<P>& scope, TaskHandle<T, E> first, More... more) {
  return detail::first_ok_handles<T, E>(scope.core(), cx.core(),
                                        detail::handle_list(std::move(first), std::move(more)...));
}

}  // namespace quiesce
