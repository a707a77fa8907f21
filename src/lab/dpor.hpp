#pragma once
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
//  4. When all that begins with a place's step has been run, the step sleeps there, and what stands beside it in the tree (3 and 4 of
//     wakeup_tree.hpp) is put back. When the tree is empty then, the place before comes next.
//
// What the paper leaves to the reader, or assumes to be otherwise:
//  a. The next step of an agent is not known before it is made, nor what it touches after a reversal (footprints.hpp, wakeup_tree.hpp).
//     Where it is not certain that a sleeper depends on e', it is taken not to: then the sleeper's own runs have that race.
//     Of several such sleepers the one whose conflict is the last in the order of the touches of e' is certain of all others.
//  b. Locks (the paper's section 8, here for whatever is waited for): who waits in e' may be unable to move before e. Then (e, e') is
//     no race, but an earlier step of the same object may be one with e', as an earlier acquisition of a lock is. An agent that
//     waits for ever has such races too. What a wait is for (strategy.hpp) tells whether it would have ended.
//  c. A step that draws is several steps, in conflict with each other and otherwise alike up to the draw.
//  d. Whether two updates commute may depend on how many there have been (tallies, footprints.hpp).
#include "class_hash.hpp"
#include "happens_before.hpp"
#include "wakeup_tree.hpp"

namespace quiesce::lab::detail {

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
  Index beside = none;  // what was beside the step in the tree
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
  // ---- dpor.cpp: going on ----
  bool plan_from_tree(Place& place);
  LogicalId plan_freely(const Place& place) const;
  bool is_asleep(const Place& place, const PlannedStep& step) const;
  void make(const Step& step, Index footprint, Index draws);

  // ---- dpor_races.cpp ----
  /// The second step of a race: one of the run, or one that an agent still waits to make.
  struct Second {
    Index at;        // in the run, or its size
    Index previous;  // its agent's step before
    Index agent;
    Index footprint;
    bool is_guarded;
  };

  void reverse_races();
  void note_tallies();
  void reverse_earlier(Index object, Index before, const Second& second);
  void reverse_waiting(const Waiting& waiting);
  void vary_draws(Index at);
  void insert(Index first, const PlannedStep& last);
  PlannedStep plan(const Second& second);

  bool is_able(Index first, const Second& second) const;
  bool is_call_removed(Index first, const Second& second) const;
  /// By what is taken away.
  bool is_influenced(const Mark& mark) const;
  /// By the reversal of a race that begins with `first`.
  bool is_removed(Index first, Index step) const {
    return step == first || (step > first && hb_.is_before(first, step));
  }
  bool is_made(const Second& second) const { return second.at < made_.size(); }
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
  bool is_guided_ = false;  // the step that is being made, by a sequence
  bool has_diverged_ = false;
  LogicalId last_{};
  std::uint32_t turn_ = 0;
  Index below_ = none;  // the trees below and beside the step that is being made
  Index beside_ = none;
  std::span<const std::uint32_t> draw_next_;  // values that it is to draw
  std::vector<Draw> drawn_;
  std::vector<std::uint32_t> values_;
  std::vector<Waiting> waiting_;

  Footprints prints_;
  WakeupTrees trees_{prints_};
  HappensBefore hb_;
  Sequence sequence_;
  boost::unordered_flat_map<Index, std::uint64_t> sums_;  // of the updates of each object
  std::vector<Index>
      removed_;  // by a reversal: the first step of the race, and what lies between it and the second
  RunCounter counter_;
};

}  // namespace quiesce::lab::detail
