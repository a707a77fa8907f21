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
    if (is_able(first, second)) {
      insert(first, plan(second));
    } else if (made.is_guarded) {
      reverse_earlier(prints_.marks(made.footprint)[0].object, first, second);
    }
  }
  for (const Waiting& waiting : waiting_) reverse_waiting(waiting);
  for (Index at = 0; at < made_.size(); ++at) vary_draws(at);
}

void Dpor::note_tallies() {
  sums_.clear();
  for (const MadeStep& made : made_) {
    const std::span<const Mark> marks = prints_.marks(made.footprint);
    for (auto mark = marks.begin(); mark != marks.end(); ++mark) {
      const auto updates = [&](const Mark& other) {
        return other.object == mark->object && is_update(other.access);
      };
      if (!updates(*mark) || std::any_of(mark + 1, marks.end(), updates)) continue;  // the last of its step
      const std::uint64_t last = prints_.update_hash(planned(made), mark->object);
      const bool has_ended = prints_.ends_tally(made.footprint, mark->object);
      prints_.set_tally(mark->object, sums_[mark->object] += last, last, has_ended);
    }
  }
}

// Of the steps that changed the object before `before`, the last that the second could have been made before.
void Dpor::reverse_earlier(Index object, Index before, const Second& second) {
  const std::span<const Index> changes = hb_.changes(object);
  for (auto at = std::ranges::lower_bound(changes, before); at != changes.begin();) {
    const Index first = *--at;
    if (second.previous != none && is_removed(first, second.previous)) return;
    remove_from(first, second);
    if (is_able(first, second)) return insert(first, plan(second));
  }
}

void Dpor::reverse_waiting(const Waiting& waiting) {
  const Index agent = prints_.number(waiting.agent);
  const Index footprint = prints_.footprint({&waiting.pending, 1});
  const auto end = static_cast<Index>(made_.size());
  reverse_earlier(prints_.number(waiting.pending.object), end,
                  {end, hb_.last_of(agent), agent, footprint, true});
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
PlannedStep Dpor::plan(const Second& second) {
  PlannedStep step{.agent = second.agent, .footprint = second.footprint};
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
bool Dpor::is_able(Index first, const Second& second) const {
  if (!second.is_guarded) {
    // Who makes or wakes an agent touches its id.
    const bool has_come = second.previous == none || second.previous < first;
    return !has_come || was_enabled(first, second.agent) || !is_influenced({second.agent, Access::Write});
  }
  if (is_call_removed(first, second)) return false;
  const std::span<const Mark> marks = prints_.marks(second.footprint);
  if (marks.empty()) return true;
  const Mark guard = marks[0];
  if (guard.access == Access::Acquire) return is_free(guard.object, first);
  const Index last = hb_.last_of(guard.object);
  if (last == none) return true;  // a call that has come
  return is_made(second) && !is_removed(first, last);
}

// One that came in this wait: there is at most one.
bool Dpor::is_call_removed(Index first, const Second& second) const {
  return std::ranges::any_of(hb_.changes(prints_.call_of(second.agent)), [&](Index call) {
    return call > second.previous && call < second.at && is_removed(first, call);
  });
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
