#pragma once
// The happens-before order of a run, by vector clocks, and its races: pairs of steps of different agents that conflict and between
// which no third step lies in that order.
#include "footprints.hpp"

namespace quiesce::lab::detail {

struct Race {
  Index first;
  Index second;
};

class HappensBefore {
 public:
  void compute(std::span<const MadeStep> run, const Footprints& prints);

  /// For first < second.
  bool is_before(Index first, Index second) const {
    return clocks_[std::size_t{second} * width_ + lane_[first]] >= ordinal_[first];
  }
  /// The agent's step before this one, or none.
  Index previous(Index step) const { return previous_[step]; }
  /// The agent's last step, or none.
  Index last_of(Index agent) const {
    return agent < lane_of_.size() && lane_of_[agent].run == run_ ? lane_of_[agent].last : none;
  }
  /// The steps that touch the object with anything but Read, in the order of the run.
  std::span<const Index> changes(Index object) const;
  std::span<const Race> races() const { return races_; }

 private:
  struct Lane {
    std::uint64_t run = 0;  // 0: never
    Index lane = 0;
    Index last = none;
  };
  // Only what has happened since the last access that conflicts with everything, and since something idled.
  struct Object {
    std::uint64_t run = 0;
    std::uint64_t epoch = 0;
    Index total = none;
    std::vector<Index> reads;    // the last of each agent
    std::vector<Index> updates;  // the same
    std::vector<Index> changes;
  };

  void assign_lanes(std::span<const MadeStep> run);
  void find_direct(std::span<const Mark> marks);
  void join(Index step, Index earlier);
  void add_races(Index step);
  void record(Index step, std::span<const Mark> marks);
  void put(std::vector<Index>& steps, Index step);
  Object& current(Index object);

  std::uint64_t run_ = 0;
  std::uint64_t epoch_ = 0;
  std::size_t width_ = 0;
  std::vector<std::uint32_t>
      clocks_;                       // rows of `width_`: of each lane so many steps are before this one, or it
  std::vector<std::uint32_t> base_;  // what everything after the last idling knows
  std::vector<std::uint32_t> made_;  // steps of each lane so far
  std::vector<Index> lane_;          // of each step
  std::vector<std::uint32_t> ordinal_;  // of each step among its agent's, from 1
  std::vector<Index> previous_;
  std::vector<Lane> lane_of_;  // by number
  std::vector<Object> objects_;
  std::vector<Index> direct_;  // steps that the current one conflicts with
  std::vector<Race> races_;
};

}  // namespace quiesce::lab::detail
