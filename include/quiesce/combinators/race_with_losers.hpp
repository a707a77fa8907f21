#pragma once
// race_with_losers: a race that hands back everything.
//
//   auto ended = co_await q::race_with_losers(cx, scope, std::move(handles));
//   use(ended.winner().value());
//   for (auto& outcome : ended.outcomes) …      // what the losers had made all the same: connections to close, say
//
// As scope.race: the first terminal outcome wins, the others are cancelled (RaceLost) and have ended when it returns. Here nothing is
// dropped: the outcomes of all are given, in the order of the handles, a loser's value, failure and panic too; nothing is replaced
// by a panic. A cancel point: cancelled while it waits it drains its branches and ends Cancelled (J6); what they have made is
// destroyed then. Refuses as scope.race. An empty race never completes.
#include <utility>
#include <vector>

#include "quiesce/scope.hpp"

namespace quiesce {

template <class T, class E = Error>
struct RaceOutcomes {
  std::size_t index = 0;
  std::vector<Outcome<T, E>> outcomes;

  RaceOutcomes(std::size_t won, std::vector<Outcome<T, E>> all) : index(won), outcomes(std::move(all)) {}
  Outcome<T, E>& winner() noexcept { return outcomes[index]; }
};

namespace detail {

template <class T, class E>
Task<RaceOutcomes<T, E>> race_outcomes(ScopeCore scope, CxCore cx, std::vector<TaskHandle<T, E>> handles) {
  using Result = RaceOutcomes<T, E>;
  std::vector<TaskRecord*> records = records_of_all(handles);
  auto racing = race_to_the_end(scope, cx, records, "race_with_losers");
  const std::size_t winner = co_await std::move(racing);
  std::vector<Outcome<T, E>> outcomes;
  outcomes.reserve(handles.size());
  for (auto& handle : handles) outcomes.push_back(take_outcome(handle));
  co_return Result(winner, std::move(outcomes));
}

}  // namespace detail

template <class Caps, class P, class T, class E>
auto race_with_losers(const BasicCx<Caps>& cx, const Scope<P>& scope, std::vector<TaskHandle<T, E>> handles) {
  return detail::race_outcomes<T, E>(scope.core(), cx.core(), std::move(handles));
}

}  // namespace quiesce
