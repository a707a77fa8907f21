// Optimal dynamic partial order reduction: each Mazurkiewicz class of a program is run once, and no run is given up.
//
// Abdulla, Aronis, Jonsson, Sagonas: Optimal dynamic partial order reduction, POPL 2014; Source sets: a foundation for optimal
// dynamic partial order reduction, JACM 64(4), 2017. Here "the paper" is the latter.
//
//  1. The steps of the current run are *places*. A place knows who could move there, which agents sleep there (all that begins with
//     their next step has been run, from there or from an earlier place), and the wake-up tree of what is still to be run from it.
//  2. A run follows the places of the last one up to the deepest that has something left, then the first sequence there, and from
//     its end whoever can move. At the end of a sequence nobody sleeps, so from there on no run can turn out to be one that has been.
//  3. At the end of a run each of its races (e, e') is reversed: from the place of e, what does not happen after e, then e'. If a sleeper
//     may come first in that, it has been run. Else it goes into the wake-up tree of the place.
//  4. When a place's tree is empty, its step's agent sleeps at it, and the place before comes next.
//
// What the paper leaves to the reader, or assumes to be otherwise:
//  a. The next step of an agent is not known before it is made, nor what it touches after a reversal (footprints.hpp, wakeup_tree.hpp).
//     Where it is not certain that a sleeper depends on e', it is taken not to: then the sleeper's own runs have that race.
//     Of several such sleepers the one whose conflict is the last in the order of the touches of e' is certain of all others.
//  b. Locks (the paper's section 8, here for whatever is waited for): who waits in e' may be unable to move before e. Then (e, e') is
//     no race, but an earlier step of the same object may be one with e', as an earlier acquisition of a lock is. An agent that
//     waits for ever has such races too.
//  c. A step that draws is several steps, in conflict with each other and otherwise alike up to the draw.
#include <algorithm>
#include <utility>

#include "class_hash.hpp"
#include "happens_before.hpp"
#include "wakeup_tree.hpp"

namespace quiesce::lab::detail {

namespace {

/// Steps in a row that one agent makes where nothing says who is to go on. A bound, for it may spin for what another does.
constexpr std::uint32_t turn_max = 64;
/// Nobody's id: the engine will say that the run is not what it was.
constexpr LogicalId stranger{~std::uint64_t{0}};

struct Draw {
  std::uint32_t value;
  std::uint32_t of;
  std::uint32_t touches_before;
};

struct Place {
  // what there is before the step
  std::vector<LogicalId> enabled;
  std::vector<PlannedStep> asleep;
  Index tree = none;
  // the step
  LogicalId agent{};
  PlannedStep step{};
  std::vector<Draw> draws;
};

struct Waiting {
  LogicalId agent;
  Touch pending;
};

class Dpor final : public Strategy {
 public:
  bool begin_run() override;
  LogicalId choose(std::span<const LogicalId> enabled) override;
  std::uint32_t draw(std::uint32_t n) override;
  void executed(const Step& step) override;
  void idled() override { has_idled_ = true; }
  void blocked(LogicalId agent, Touch pending) override { waiting_.push_back({agent, pending}); }
  void end_run(bool complete) override;
  Counts counts() const override { return counter_.counts; }

 private:
  // ---- going on ----
  bool plan_from_tree(Place& place);
  LogicalId plan_freely(const Place& place) const;
  bool is_asleep(const Place& place, const PlannedStep& step) const;
  void make(const Step& step, Index footprint, Index draws);

  // ---- races ----
  /// The second step of a race: one of the run, or one that an agent still waits to make.
  struct Second {
    Index at;        // in the run, or its size
    Index previous;  // its agent's step before
    Index agent;
    Index footprint;
    bool is_guarded;
  };
  enum class Ability : std::uint8_t { No, Maybe, Yes };

  void reverse_races();
  void reverse(Index first, const Second& second, Ability able);
  void reverse_earlier(Index object, Index before, const Second& second);
  void reverse_waiting(const Waiting& waiting);
  void vary_draws(Index at);
  void insert(Index first, const PlannedStep& last);
  PlannedStep plan(const Second& second, Ability able);

  Ability ability(Index first, const Second& second) const;
  /// By what is taken away.
  bool is_influenced(const Mark& mark) const;
  /// By the reversal of a race that begins with `first`.
  bool is_removed(Index first, Index step) const {
    return step == first || (step > first && hb_.is_before(first, step));
  }
  bool is_made(const Second& second) const { return second.at < made_.size(); }
  Ability ability_if_free(Index first, const Second& second, Index lock) const;
  bool was_enabled(Index at, Index agent) const;
  bool is_free(Index lock, Index first) const;
  bool is_held_after(Index step, Index lock, bool is_held_before) const;
  void remove_from(Index first, const Second& second);

  std::vector<Place> places_;
  std::vector<MadeStep> made_;  // of the run; the first are those of the last run
  std::size_t replayed_ = 0;    // so many places are followed in this run; the step of the last of them is new
  std::size_t at_ = 0;
  bool has_begun_ = false;
  bool has_idled_ = false;
  bool is_blocked_ = false;
  bool has_diverged_ = false;
  LogicalId last_{};
  std::uint32_t turn_ = 0;
  Index below_ = none;  // the trees that go with the step that is being made
  Index beside_ = none;
  std::span<const std::uint32_t> draw_next_;  // values that it is to draw
  std::vector<Draw> drawn_;
  std::vector<std::uint32_t> values_;
  std::vector<Waiting> waiting_;

  Footprints prints_;
  WakeupTrees trees_{prints_};
  HappensBefore hb_;
  Sequence sequence_;
  std::vector<Index>
      removed_;  // the first step of a race that is reversed, and what else is taken away before the second
  RunCounter counter_;
};

// ---- going on ----

bool Dpor::begin_run() {
  if (counter_.counts.exhausted) return false;
  if (has_begun_) {
    for (replayed_ = made_.size(); replayed_ > 0; --replayed_) {
      Place& place = places_[replayed_ - 1];
      place.asleep.push_back(place.step);
      if (plan_from_tree(place)) break;
    }
    counter_.counts.exhausted = replayed_ == 0;
    if (counter_.counts.exhausted) return false;
    made_.resize(replayed_);
  }
  has_begun_ = true;
  at_ = 0;
  has_idled_ = is_blocked_ = has_diverged_ = false;
  turn_ = 0;
  last_ = LogicalId{};
  drawn_.clear();
  waiting_.clear();
  counter_.begin();
  return true;
}

LogicalId Dpor::choose(std::span<const LogicalId> enabled) {
  if (has_diverged_) return stranger;
  if (at_ == places_.size()) places_.emplace_back();
  Place& place = places_[at_];
  if (at_ < replayed_) {
    draw_next_ = prints_.values(place.step.draws);
    return place.agent;
  }
  place.enabled.assign(enabled.begin(), enabled.end());
  if (!plan_from_tree(place)) {
    place.agent = plan_freely(place);
    is_blocked_ = place.agent == LogicalId{};
  }
  return place.agent;
}

// The first sequence of the place's tree that can be followed.
bool Dpor::plan_from_tree(Place& place) {
  draw_next_ = {};
  while (place.tree != none) {
    WakeupTrees::Branch branch = trees_.take_first(place.tree);
    const LogicalId agent = prints_.id(branch.step.agent);
    if (std::ranges::binary_search(place.enabled, agent) && !is_asleep(place, branch.step)) {
      place.agent = agent;
      place.step = branch.step;
      below_ = branch.below;
      beside_ = branch.beside;
      draw_next_ = prints_.values(branch.step.draws);
      return true;
    }
    trees_.release(branch.below);
    trees_.put_back(place.tree, branch.beside, nullptr);
  }
  return false;
}

bool Dpor::is_asleep(const Place& place, const PlannedStep& step) const {
  return std::ranges::any_of(place.asleep, [&](const PlannedStep& sleeper) {
    return sleeper.agent == step.agent && prints_.may_be_same(sleeper, step);
  });
}

// Who moved last, for a schedule with few switches is easier to read.
LogicalId Dpor::plan_freely(const Place& place) const {
  LogicalId first{};
  for (const LogicalId agent : place.enabled) {
    const auto is_same = [&](const PlannedStep& sleeper) { return prints_.id(sleeper.agent) == agent; };
    if (std::ranges::any_of(place.asleep, is_same)) continue;
    if (agent == last_ && turn_ < turn_max) return agent;
    if (first == LogicalId{} || (first <= last_ && agent > last_)) first = agent;  // the next in a circle
  }
  return first;
}

std::uint32_t Dpor::draw(std::uint32_t n) {
  const std::size_t at = drawn_.size();
  std::uint32_t value = at < draw_next_.size() ? draw_next_[at] : 0;
  if (value >= n) {
    has_diverged_ = true;
    value = 0;
  }
  drawn_.push_back({value, n, 0});
  counter_.drew(value);
  return value;
}

void Dpor::executed(const Step& step) {
  counter_.made(step);
  const Index footprint = prints_.footprint(step.touches);
  values_.clear();
  for (std::size_t i = 0; i < drawn_.size(); ++i) {
    drawn_[i].touches_before =
        static_cast<std::uint32_t>(i < step.draws.size() ? step.draws[i] : step.touches.size());
    values_.push_back(drawn_[i].value);
  }
  const Index draws = prints_.draws(values_);
  const PlannedStep& known = places_[at_].step;
  if (at_ + 1 < replayed_) {
    has_diverged_ = has_diverged_ || known.footprint != footprint || known.draws != draws;
  } else {
    make(step, footprint, draws);
  }
  turn_ = step.agent == last_ ? turn_ + 1 : 0;
  last_ = step.agent;
  ++at_;
  has_idled_ = false;
  drawn_.clear();
}

// The step stands, and the place after it begins: there sleep those who slept and do not depend on it.
void Dpor::make(const Step& step, Index footprint, Index draws) {
  if (places_.size() < at_ + 2) places_.resize(at_ + 2);
  Place& place = places_[at_];
  Place& next = places_[at_ + 1];
  place.step = {.agent = prints_.number(step.agent), .footprint = footprint, .draws = draws};
  place.draws = drawn_;
  made_.resize(at_);
  made_.push_back({place.step.agent, footprint, step.is_guarded, has_idled_});
  next.asleep.clear();
  for (const PlannedStep& sleeper : place.asleep) {
    if (sleeper.agent != place.step.agent && !prints_.conflict(sleeper.footprint, footprint))
      next.asleep.push_back(sleeper);
  }
  trees_.put_back(place.tree, std::exchange(beside_, none), &place.step);
  trees_.release(next.tree);
  next.tree = std::exchange(below_, none);
}

void Dpor::end_run(bool complete) {
  counter_.end(complete && !is_blocked_ && !has_diverged_);
  if (is_blocked_) ++counter_.counts.blocked_runs;
  trees_.release(std::exchange(below_, none));
  trees_.release(std::exchange(beside_, none));
  if (at_ < places_.size()) trees_.release(std::exchange(places_[at_].tree, none));
  if (!has_diverged_ && at_ == made_.size()) reverse_races();
}

// ---- races ----

void Dpor::reverse_races() {
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

// Of the steps that changed the object before `before`, the last that the second could have been made before.
void Dpor::reverse_earlier(Index object, Index before, const Second& second) {
  const std::span<const Index> changes = hb_.changes(object);
  for (auto at = std::ranges::lower_bound(changes, before); at != changes.begin();) {
    const Index first = *--at;
    if (second.previous != none &&
        (first <= second.previous && (first == second.previous || hb_.is_before(first, second.previous))))
      return;
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
  const auto is_run = [this](const PlannedStep& sleeper) {
    return first_in(prints_, sleeper, sequence_).may_be;
  };
  if (std::ranges::none_of(place.asleep, is_run)) trees_.insert(place.tree, sequence_);
}

// What is known of the second step without those that are taken away.
PlannedStep Dpor::plan(const Second& second, Ability able) {
  PlannedStep step{.agent = second.agent, .footprint = second.footprint, .is_doubtful = able == Ability::Maybe};
  const std::span<const Mark> marks = prints_.marks(second.footprint);
  const bool takes_lock = second.is_guarded && !marks.empty() && marks[0].access == Access::Acquire;
  for (std::uint32_t i = takes_lock ? 1 : 0; i < marks.size() && !step.is_loose; ++i) {
    if (!is_influenced(marks[i])) continue;
    step.exact = i;
    step.is_loose = true;
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
  const bool has_come =
      second.previous == none || second.previous < first;  // it stood before that step already
  const bool was_able = has_come && was_enabled(first, second.agent);
  const bool is_called =
      is_influenced({second.agent, Access::Write});  // who makes or wakes an agent touches its id
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
  return is_made(second) && !is_removed(first, hb_.last_of(guard.object)) ? Ability::Yes
                                                                          : Ability::No;  // it has ended
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
    if (step < first || (step > first && !hb_.is_before(first, step)))
      is_held = is_held_after(step, lock, is_held);
  }
  return !is_held;
}

}  // namespace

std::unique_ptr<Strategy> make_dpor() { return std::make_unique<Dpor>(); }

}  // namespace quiesce::lab::detail
