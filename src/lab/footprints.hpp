#pragma once
// What steps have touched and drawn, in numbers: equal lists are kept once, and named by their index.
//
// A step that is planned in a place where it has not been made yet need not touch there what it touched elsewhere: a compare-exchange
// that failed may succeed. What is known of it:
//  1. Up to the first touch that what was taken away has influenced, everything (`exact`), and what it drew until then.
//  2. Of that touch the object (`is_loose`), for what the step does next depends on nothing else; not the access.
//  3. Nothing of the rest.
//
// Updates of one object commute, but for a *tally*: there the last of all updates writes too, as who leaves a region last closes it. Two
// updates of a tally do not commute when either is the last once the other has been made. Which these are is learned from the runs: a
// sum of hashes stands for the updates made so far, in whatever order, and with who came last it tells whether that one wrote.
#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>

#include "quiesce/detail/lab/strategy.hpp"

namespace quiesce::lab::detail {

using Index = std::uint32_t;
constexpr Index none = ~Index{0};

/// A touch of a numbered object.
struct Mark {
  Index object;
  Access access;
  friend bool operator==(const Mark&, const Mark&) = default;
};

/// Whether another step's outcome may depend on the first having been made: the first changes what the second looks at.
constexpr bool influences(Access first, Access second) {
  return first != Access::Read && conflict(first, second);
}

struct PlannedStep {
  static constexpr std::uint32_t all = ~0U;

  Index agent = none;
  Index footprint = 0;
  Index draws = 0;            // the first values that it draws
  std::uint32_t exact = ~0U;  // so many touches are certain (or all)
  bool is_loose = false;      // and of the next one the object
};

/// A step of the run.
struct MadeStep {
  Index agent;
  Index footprint;
  bool is_guarded;
  bool is_after_idle;  // the first after nothing could move
};

constexpr PlannedStep planned(const MadeStep& made) {
  return {.agent = made.agent, .footprint = made.footprint};
}

class Footprints {
 public:
  Footprints();

  /// Of an agent or an object.
  Index number(LogicalId id);
  LogicalId id(Index number) const { return ids_[number]; }
  std::size_t numbers() const { return ids_.size(); }
  /// The number of an agent's call; none: nobody has called it yet.
  Index call_of(Index agent) const;

  Index footprint(std::span<const Touch> touches);
  std::span<const Mark> marks(Index footprint) const {
    return {marks_.data() + prints_[footprint].begin, prints_[footprint].size};
  }
  /// Of the touches of a planned step those whose objects are certain.
  std::span<const Mark> certain_marks(const PlannedStep& step) const {
    const std::span<const Mark> all = marks(step.footprint);
    return all.first(std::min(all.size(), std::size_t{step.exact} + (step.is_loose ? 1 : 0)));
  }
  Index draws(std::span<const std::uint32_t> values);
  std::span<const std::uint32_t> values(Index draws) const { return draws_[draws]; }

  /// Both made.
  bool conflict(Index footprint, Index other) const;
  /// The same where one or both are planned: false also when it is not certain.
  bool surely_conflict(const PlannedStep& a, const PlannedStep& b) const;
  /// Two steps of one agent in one place: whether one may turn out to be the other, as far as drawn values tell.
  bool may_be_same(const PlannedStep& a, const PlannedStep& b) const;

  /// Of the object, where the step certainly updates it; else 0.
  std::uint64_t update_hash(const PlannedStep& step, Index object) const;
  enum class Tally : std::uint8_t { Unknown, Open, Ended };
  /// Of a step that has been made and that updates the object: whether it wrote by that.
  bool ends_tally(Index footprint, Index object) const;
  /// After updates with this sum, the last of them `last_hash`.
  Tally tally(Index object, std::uint64_t sum, std::uint64_t last_hash) const;
  void set_tally(Index object, std::uint64_t sum, std::uint64_t last_hash, bool has_ended);

 private:
  struct Print {
    std::uint32_t begin;
    std::uint32_t size;
    std::uint64_t objects;  // a bit for each, for a quick no
  };

  boost::unordered_flat_map<std::uint64_t, Index> numbers_;
  std::vector<LogicalId> ids_;
  boost::unordered_flat_map<std::uint64_t, Index> prints_by_hash_;
  std::vector<Print> prints_;
  std::vector<Mark> marks_;
  boost::unordered_flat_map<std::uint64_t, Index> draws_by_hash_;
  std::vector<std::vector<std::uint32_t>> draws_;
  boost::unordered_flat_map<std::uint64_t, bool> has_ended_;  // by a hash of object, sum and last
};

}  // namespace quiesce::lab::detail
