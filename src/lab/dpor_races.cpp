// The races of a run, and how they are reversed.
#include <algorithm>

#include "dpor.hpp"

namespace quiesce::lab::detail {

void Dpor::reverse_races() {
  note_tallies();
  hb_.compute(made_, prints_);
  for (const auto& [first, at] : hb_.races()) {
    const MadeStep& made = made_[at];
    const Second second{at, hb_.previous(at), made.agent, made.footprint, made.is_guarded};
    removed_.assign(1, first);
    const Ability able = ability(first, second);
    reverse(first, second, able);
    if (able == Ability::Yes || !made.is_guarded) continue;
    reverse_earlier(prints_.marks(made.footprint)[0].object, first, second);
  }
  for (const Waiting& waiting : waiting_) reverse_waiting(waiting);
  for (Index at = 0; at < made_.size(); ++at) vary_draws(at);
}

void Dpor::note_tallies() {
  for (Index step = 0; step < made_.size(); ++step) {
    for (const Mark& mark : prints_.marks(made_[step].footprint)) {
      if (!ends_tally(step, mark)) continue;
      const auto updates = [&](const MadeStep& made) { return prints_.updates(made.footprint, mark.object); };
      prints_.set_tally(mark.object, static_cast<std::uint32_t>(std::ranges::count_if(made_, updates)));
    }
  }
}

// Whether this is the write that follows the last of all updates.
bool Dpor::ends_tally(Index step, const Mark& mark) const {
  const auto updates = [&](const MadeStep& made) { return prints_.updates(made.footprint, mark.object); };
  const std::span<const Mark> marks = prints_.marks(made_[step].footprint);
  return mark.access == Access::Write && updates(made_[step]) &&
         std::ranges::find(marks, mark.object, &Mark::object)->access == Access::Update &&
         std::ranges::none_of(std::span(made_).subspan(step + 1), updates);
}

// Of the steps that changed the object before `before`, the last that the second could have been made before.
void Dpor::reverse_earlier(Index object, Index before, const Second& second) {
  const std::span<const Index> changes = hb_.changes(object);
  for (auto at = std::ranges::lower_bound(changes, before); at != changes.begin();) {
    const Index first = *--at;
    if (second.previous != none && is_removed(first, second.previous)) return;
    remove_from(first, second);
    const Ability able = ability(first, second);
    reverse(first, second, able);
    if (able == Ability::Yes) return;
  }
}

void Dpor::reverse_waiting(const Waiting& waiting) {
  const Index agent = prints_.number(waiting.agent);
  const Index footprint = prints_.footprint({&waiting.pending, 1});
  const auto end = static_cast<Index>(made_.size());
  reverse_earlier(prints_.number(waiting.pending.object), end,
                  {end, hb_.last_of(agent), agent, footprint, true});
}

void Dpor::reverse(Index first, const Second& second, Ability able) {
  if (able != Ability::No) insert(first, plan(second, able));
}

// What the step would draw instead; the rest of what it drew, and what it touched after that, is another's.
void Dpor::vary_draws(Index at) {
  const std::vector<Draw>& draws = places_[at].draws;
  values_.clear();
  for (const Draw& draw : draws) {
    for (std::uint32_t value = 0; value < draw.of; ++value) {
      if (value == draw.value) continue;
      values_.push_back(value);
      insert(at, {.agent = made_[at].agent,
                  .footprint = made_[at].footprint,
                  .draws = prints_.draws(values_),
                  .exact = draw.touches_before});
      values_.pop_back();
    }
    values_.push_back(draw.value);
  }
}

// From the place of `first`: what does not happen after it, then `last`.
void Dpor::insert(Index first, const PlannedStep& last) {
  sequence_.clear();
  for (Index step = first + 1; step < made_.size(); ++step) {
    if (!is_removed(first, step)) sequence_.push_back(places_[step].step);
  }
  sequence_.push_back(last);
  Place& place = places_[first];
  const std::span<const MadeStep> before = std::span(made_).first(first);
  const auto covers = [&](const PlannedStep& step) {
    return first_in(prints_, {before, {}}, step, sequence_).may_be;
  };
  if (std::ranges::none_of(place.asleep, covers)) trees_.insert(place.tree, before, sequence_);
}

// What is known of the second step without those that are taken away.
PlannedStep Dpor::plan(const Second& second, Ability able) {
  PlannedStep step{.agent = second.agent, .footprint = second.footprint, .is_doubtful = able == Ability::Maybe};
  const std::span<const Mark> marks = prints_.marks(second.footprint);
  const bool takes_lock = second.is_guarded && !marks.empty() && marks[0].access == Access::Acquire;
  for (std::uint32_t i = takes_lock ? 1 : 0; i < marks.size(); ++i) {
    if (!is_influenced(marks[i])) continue;
    step.exact = i;
    step.is_loose = true;
    break;
  }
  if (!is_made(second)) {  // what comes after the first touch has not been seen
    step.exact = takes_lock ? 1 : 0;
    return step;
  }
  values_.clear();
  for (const Draw& draw : places_[second.at].draws) {
    if (draw.touches_before <= step.exact) values_.push_back(draw.value);
  }
  step.draws = prints_.draws(values_);
  return step;
}

void Dpor::remove_from(Index first, const Second& second) {
  removed_.assign(1, first);
  for (Index step = first + 1; step < second.at; ++step) {
    if (hb_.is_before(first, step) && (!is_made(second) || hb_.is_before(step, second.at)))
      removed_.push_back(step);
  }
}

// Of an access to an object, by what is taken away.
bool Dpor::is_influenced(const Mark& mark) const {
  return std::ranges::any_of(removed_, [&](Index step) {
    return std::ranges::any_of(prints_.marks(made_[step].footprint), [&](const Mark& other) {
      return other.object == mark.object && influences(other.access, mark.access);
    });
  });
}

// Whether the second step's agent can make it at the first's place, after what does not happen after the first.
Dpor::Ability Dpor::ability(Index first, const Second& second) const {
  // It stood before that step already.
  const bool has_come = second.previous == none || second.previous < first;
  const bool was_able = has_come && was_enabled(first, second.agent);
  // Who makes or wakes an agent touches its id.
  const bool is_called = is_influenced({second.agent, Access::Write});
  if (!second.is_guarded) return has_come && is_called && !was_able ? Ability::No : Ability::Yes;
  const std::span<const Mark> marks = prints_.marks(second.footprint);
  if (marks.empty()) return Ability::Yes;
  const Mark guard = marks[0];
  if (guard.access == Access::Acquire) {
    if (!is_free(guard.object, first)) return Ability::No;
    return is_called || !is_made(second) ? ability_if_free(first, second, guard.object) : Ability::Yes;
  }
  if (!is_influenced(guard)) return Ability::Yes;
  if (has_come) return was_able ? Ability::Yes : Ability::No;
  if (!hb_.has_been_agent(guard.object)) return Ability::Maybe;
  const bool has_ended = is_made(second) && !is_removed(first, hb_.last_of(guard.object));
  return has_ended ? Ability::Yes : Ability::No;
}

// Who waits for a lock may wait to be called too, as at a condition: whether it does is seen where it stood before the free lock
// and nobody had called it yet. Not every call need be the one that it waits for.
Dpor::Ability Dpor::ability_if_free(Index first, const Second& second, Index lock) const {
  Index until = second.at;
  for (const Index step : hb_.changes(second.agent)) {
    if (made_[step].agent == second.agent || (second.previous != none && step < second.previous)) continue;
    if (!is_removed(first, step)) return Ability::Maybe;
    until = std::min(until, step);
  }
  bool is_held = false;
  for (Index step = 0; step < made_.size() && step <= until; ++step) {
    const bool stands_there = second.previous == none || step > second.previous;
    if (stands_there && !is_held) return was_enabled(step, second.agent) ? Ability::Yes : Ability::No;
    is_held = is_held_after(step, lock, is_held);
  }
  return Ability::Maybe;
}

bool Dpor::was_enabled(Index at, Index agent) const {
  return std::ranges::binary_search(places_[at].enabled, prints_.id(agent));
}

bool Dpor::is_held_after(Index step, Index lock, bool is_held_before) const {
  bool is_held = is_held_before;
  for (const Mark& mark : prints_.marks(made_[step].footprint)) {
    if (mark.object == lock && mark.access == Access::Acquire) is_held = true;
    if (mark.object == lock && mark.access == Access::Release) is_held = false;
  }
  return is_held;
}

// After what does not happen after `first`.
bool Dpor::is_free(Index lock, Index first) const {
  bool is_held = false;
  for (const Index step : hb_.changes(lock)) {
    if (!is_removed(first, step)) is_held = is_held_after(step, lock, is_held);
  }
  return !is_held;
}

}  // namespace quiesce::lab::detail
