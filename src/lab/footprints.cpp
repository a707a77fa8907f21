#include "footprints.hpp"

#include <algorithm>

namespace quiesce::lab::detail {

namespace {

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) { return child(LogicalId{hash ^ value}, 0).value; }

// Of the certain access alone, whatever the other turns out to be. An update is one whatever it finds, so what has not been one
// does not become one.
bool surely_conflicts(Access certain, Access seen) {
  return certain != Access::Read && !(is_update(certain) && is_update(seen));
}

}  // namespace

Footprints::Footprints() {
  footprint({});
  draws({});
}

Index Footprints::number(LogicalId id) {
  const auto [number, is_new] = numbers_.try_emplace(id.value, static_cast<Index>(ids_.size()));
  if (is_new) ids_.push_back(id);
  return number->second;
}

Index Footprints::call_of(Index agent) const {
  const auto found = numbers_.find(detail::call_of(ids_[agent]).value);
  return found == numbers_.end() ? none : found->second;
}

Index Footprints::footprint(std::span<const Touch> touches) {
  std::uint64_t hash = touches.size();
  for (const Touch& touch : touches)
    hash = mix(mix(hash, touch.object.value), static_cast<std::uint64_t>(touch.access));
  for (;; ++hash) {  // past those with the same hash
    const auto [found, is_new] = prints_by_hash_.try_emplace(hash, static_cast<Index>(prints_.size()));
    if (!is_new) {
      const auto same = [this](const Mark& mark, const Touch& touch) {
        return ids_[mark.object] == touch.object && mark.access == touch.access;
      };
      if (std::ranges::equal(marks(found->second), touches, same)) return found->second;
      continue;
    }
    Print print{static_cast<std::uint32_t>(marks_.size()), static_cast<std::uint32_t>(touches.size()), 0};
    for (const Touch& touch : touches) {
      marks_.push_back({number(touch.object), touch.access});
      print.objects |= std::uint64_t{1} << (marks_.back().object % 64);
    }
    prints_.push_back(print);
    return found->second;
  }
}

Index Footprints::draws(std::span<const std::uint32_t> values) {
  if (values.empty() && !draws_.empty()) return 0;
  std::uint64_t hash = values.size();
  for (const std::uint32_t value : values) hash = mix(hash, value);
  for (;; ++hash) {
    const auto [found, is_new] = draws_by_hash_.try_emplace(hash, static_cast<Index>(draws_.size()));
    if (is_new) {
      draws_.emplace_back(values.begin(), values.end());
      return found->second;
    }
    if (std::ranges::equal(draws_[found->second], values)) return found->second;
  }
}

bool Footprints::conflict(Index footprint, Index other) const {
  return surely_conflict({.footprint = footprint}, {.footprint = other});
}

bool Footprints::surely_conflict(const PlannedStep& a, const PlannedStep& b) const {
  if ((prints_[a.footprint].objects & prints_[b.footprint].objects) == 0) return false;
  const std::span<const Mark> of_a = certain_marks(a);
  const std::span<const Mark> of_b = certain_marks(b);
  for (std::size_t i = 0; i < of_a.size(); ++i) {
    for (std::size_t k = 0; k < of_b.size(); ++k) {
      if (of_a[i].object != of_b[k].object) continue;
      const bool is_a_loose = i == a.exact;
      const bool is_b_loose = k == b.exact;
      const Access access_a = of_a[i].access;
      const Access access_b = of_b[k].access;
      if (is_a_loose && is_b_loose) continue;
      if (is_a_loose   ? surely_conflicts(access_b, access_a)
          : is_b_loose ? surely_conflicts(access_a, access_b)
                       : detail::conflict(access_a, access_b))
        return true;
    }
  }
  return false;
}

// By whom, and whether it entered, left, or both. That it is an update is certain where the object is: what has been one is one
// whatever it finds.
std::uint64_t Footprints::update_hash(const PlannedStep& step, Index object) const {
  std::uint64_t how = 0;
  for (const Mark& mark : certain_marks(step)) {
    if (mark.object == object && is_update(mark.access))
      how |= std::uint64_t{1} << static_cast<int>(mark.access);
  }
  return how == 0 ? 0 : mix(how, step.agent);
}

bool Footprints::ends_tally(Index footprint, Index object) const {
  bool has_ended = false;
  for (const Mark& mark : marks(footprint)) {
    if (mark.object == object)
      has_ended = !is_update(mark.access) && (has_ended || mark.access == Access::Write);
  }
  return has_ended;
}

Footprints::Tally Footprints::tally(Index object, std::uint64_t sum, std::uint64_t last_hash) const {
  const auto found = has_ended_.find(mix(mix(object, sum), last_hash));
  if (found == has_ended_.end()) return Tally::Unknown;
  return found->second ? Tally::Ended : Tally::Open;
}

void Footprints::set_tally(Index object, std::uint64_t sum, std::uint64_t last_hash, bool has_ended) {
  const auto [found, is_new] = has_ended_.try_emplace(mix(mix(object, sum), last_hash), has_ended);
  found->second = found->second || has_ended;
}

bool Footprints::may_be_same(const PlannedStep& a, const PlannedStep& b) const {
  const std::span<const std::uint32_t> of_a = values(a.draws);
  const std::span<const std::uint32_t> of_b = values(b.draws);
  const std::size_t both = std::min(of_a.size(), of_b.size());
  return std::ranges::equal(of_a.first(both), of_b.first(both));
}

}  // namespace quiesce::lab::detail
