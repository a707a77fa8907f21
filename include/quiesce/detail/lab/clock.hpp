#pragma once
// Vector clocks (Fidge 1988, Mattern 1989): which of two accesses by different agents happens before the other,
// if any does. An access is remembered as one number, not as a whole clock (Flanagan, Freund: FastTrack, PLDI
// 2009).
//
//  1. Each agent of a run has a slot and a time of its own, which grows when it releases something.
//  2. `release_to` leaves in an object's clock what the agent knows, its own time included; whoever acquires
//     from that clock afterwards knows it too.
//  3. An access at `stamp` happens before whatever an agent does after it has come to know that time of that
//     slot.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace quiesce::lab::detail {

/// The time of each slot up to which something is known.
class Clock {
 public:
  std::uint32_t at(std::uint32_t slot) const { return slot < times_.size() ? times_[slot] : 0; }
  void set(std::uint32_t slot, std::uint32_t time) {
    if (slot >= times_.size()) times_.resize(slot + std::size_t{1});
    times_[slot] = time;
  }
  void merge(const Clock& other) {
    if (times_.size() < other.times_.size()) times_.resize(other.times_.size());
    for (std::size_t i = 0; i < other.times_.size(); ++i) times_[i] = std::max(times_[i], other.times_[i]);
  }
  /// Keeps its memory.
  void clear() { times_.clear(); }

 private:
  std::vector<std::uint32_t> times_;
};

struct Stamp {
  std::uint32_t slot;
  std::uint32_t time;
};

class AgentClock {
 public:
  void begin(std::uint32_t slot) {
    slot_ = slot;
    now_ = 1;
    known_.clear();
  }
  Stamp stamp() const { return {slot_, now_}; }
  bool knows(Stamp stamp) const { return stamp.slot == slot_ || known_.at(stamp.slot) >= stamp.time; }

  void acquire(const Clock& from) { known_.merge(from); }
  /// What was in `to` is forgotten: an agent that should pass it on acquires it first.
  void release_to(Clock& to) {
    to = known_;
    to.set(slot_, now_++);
  }
  /// What was in `to` stays.
  void add_to(Clock& to) {
    to.merge(known_);
    to.set(slot_, now_++);
  }
  void pass_to(AgentClock& made) { add_to(made.known_); }
  /// All that an agent did which has ended.
  void acquire_end_of(const AgentClock& ended) {
    known_.merge(ended.known_);
    known_.set(ended.slot_, ended.now_);
  }

 private:
  // The agent's own time is not in `known_`: so a clock is no longer than the agents that this one has heard
  // of.
  std::uint32_t slot_ = 0;
  std::uint32_t now_ = 1;
  Clock known_;
};

}  // namespace quiesce::lab::detail
