#include "happens_before.hpp"

#include <algorithm>

namespace quiesce::lab::detail {

void HappensBefore::compute(std::span<const MadeStep> run, const Footprints& prints) {
  ++run_;
  ++epoch_;
  races_.clear();
  if (lane_of_.size() < prints.numbers()) lane_of_.resize(prints.numbers());
  if (objects_.size() < prints.numbers()) objects_.resize(prints.numbers());
  assign_lanes(run);
  clocks_.resize(run.size() * width_);
  base_.assign(width_, 0);
  made_.assign(width_, 0);
  for (Index step = 0; step < run.size(); ++step) {
    const auto row = clocks_.begin() + static_cast<std::ptrdiff_t>(step * width_);
    if (run[step].is_after_idle) {
      ++epoch_;
      base_ = made_;
    }
    const std::span<const Mark> marks = prints.marks(run[step].footprint);
    find_direct(marks);
    std::ranges::copy(base_, row);
    if (previous_[step] != none) join(step, previous_[step]);
    for (const Index earlier : direct_) join(step, earlier);
    row[lane_[step]] = made_[lane_[step]] = ordinal_[step];
    add_races(step);
    record(step, marks);
  }
}

void HappensBefore::assign_lanes(std::span<const MadeStep> run) {
  width_ = 0;
  lane_.resize(run.size());
  ordinal_.resize(run.size());
  previous_.resize(run.size());
  for (Index step = 0; step < run.size(); ++step) {
    Lane& lane = lane_of_[run[step].agent];
    if (lane.run != run_) lane = {run_, static_cast<Index>(width_++), none};
    lane_[step] = lane.lane;
    previous_[step] = lane.last;
    ordinal_[step] = lane.last == none ? 1 : ordinal_[lane.last] + 1;
    lane.last = step;
  }
}

HappensBefore::Object& HappensBefore::current(Index object) {
  Object& state = objects_[object];
  if (state.run != run_) {
    state.run = run_;
    state.changes.clear();
  }
  if (state.epoch != epoch_) {
    state.epoch = epoch_;
    state.total = none;
    state.reads.clear();
    state.updates.clear();
  }
  return state;
}

std::span<const Index> HappensBefore::changes(Index object) const {
  if (object >= objects_.size() || objects_[object].run != run_) return {};
  return objects_[object].changes;
}

void HappensBefore::find_direct(std::span<const Mark> marks) {
  direct_.clear();
  for (const Mark& mark : marks) {
    const Object& state = current(mark.object);
    if (state.total != none) direct_.push_back(state.total);
    if (mark.access != Access::Read) direct_.insert(direct_.end(), state.reads.begin(), state.reads.end());
    if (!is_update(mark.access)) direct_.insert(direct_.end(), state.updates.begin(), state.updates.end());
  }
  std::ranges::sort(direct_);
  direct_.erase(std::ranges::unique(direct_).begin(), direct_.end());
}

void HappensBefore::join(Index step, Index earlier) {
  const std::span<std::uint32_t> into(&clocks_[step * width_], width_);
  const std::span<const std::uint32_t> from(&clocks_[earlier * width_], width_);
  std::ranges::transform(into, from, into.begin(), [](auto a, auto b) { return std::max(a, b); });
}

void HappensBefore::add_races(Index step) {
  const Index previous = previous_[step];
  for (std::size_t i = 0; i < direct_.size(); ++i) {
    const Index first = direct_[i];
    if (previous != none && (first == previous || (first < previous && is_before(first, previous)))) continue;
    const auto lies_between = [&](Index other) { return is_before(first, other); };
    if (std::any_of(direct_.begin() + static_cast<std::ptrdiff_t>(i) + 1, direct_.end(), lies_between))
      continue;
    races_.push_back({first, step});
  }
}

void HappensBefore::record(Index step, std::span<const Mark> marks) {
  for (const Mark& mark : marks) {
    Object& state = objects_[mark.object];
    if (mark.access != Access::Read && (state.changes.empty() || state.changes.back() != step))
      state.changes.push_back(step);
    if (mark.access == Access::Read) {
      put(state.reads, step);
    } else if (is_update(mark.access)) {
      put(state.updates, step);
    } else {
      state.total = step;
      state.reads.clear();
      state.updates.clear();
    }
  }
}

void HappensBefore::put(std::vector<Index>& steps, Index step) {
  const auto mine = std::ranges::find(steps, lane_[step], [this](Index other) { return lane_[other]; });
  if (mine != steps.end()) {
    *mine = step;
  } else {
    steps.push_back(step);
  }
}

}  // namespace quiesce::lab::detail
