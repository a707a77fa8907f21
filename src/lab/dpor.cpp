#include "dpor.hpp"

#include <algorithm>
#include <utility>

namespace quiesce::lab::detail {

namespace {

/// Steps in a row that one agent makes where nothing says who is to go on. A bound, for it may spin for what another does.
constexpr std::uint32_t turn_max = 64;
/// Nobody's id: the engine will say that the run is not what it was.
constexpr LogicalId stranger{~std::uint64_t{0}};

}  // namespace

bool Dpor::begin_run() {
  if (counter_.counts.exhausted) return false;
  if (has_begun_) {
    for (replayed_ = made_.size(); replayed_ > 0; --replayed_) {
      Place& place = places_[replayed_ - 1];
      place.asleep.push_back(place.step);
      trees_.put_back(place.tree, std::span(made_).first(replayed_ - 1), std::exchange(place.beside, none),
                      &place.step);
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
  is_guided_ = false;
  while (place.tree != none) {
    WakeupTrees::Branch branch = trees_.take_first(place.tree);
    const LogicalId agent = prints_.id(branch.step.agent);
    if (std::ranges::binary_search(place.enabled, agent) && !is_asleep(place, branch.step)) {
      place.agent = agent;
      place.step = branch.step;
      is_guided_ = true;
      below_ = branch.below;
      beside_ = branch.beside;
      draw_next_ = prints_.values(branch.step.draws);
      return true;
    }
    trees_.release(branch.below);
    trees_.put_back(place.tree, std::span(made_).first(static_cast<std::size_t>(&place - places_.data())),
                    branch.beside, nullptr);
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
  const std::span<const MadeStep> before = std::span(made_).first(at_);
  const bool ends_sequence = is_guided_ && below_ == none;
  for (const PlannedStep& sleeper : place.asleep) {
    if (sleeper.agent == place.step.agent || prints_.conflict(sleeper.footprint, footprint)) continue;
    if (tally_after(prints_, {before, {}}, sleeper, {&place.step, 1}) != Footprints::Tally::Ended)
      next.asleep.push_back(sleeper);
  }
  if (ends_sequence) next.asleep.clear();  // so it is already, if steps touch what they say
  trees_.release(place.beside);
  place.beside = std::exchange(beside_, none);
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

std::unique_ptr<Strategy> make_dpor() { return std::make_unique<Dpor>(); }

}  // namespace quiesce::lab::detail
