#pragma once
// Wake-up trees: what is to be run from a place of the current run, besides what is being run (Abdulla, Aronis, Jonsson, Sagonas,
// JACM 2017, section 6). A tree is a list of branches, each a step and the tree of what follows it; the order of branches is that
// in which they will be run. Every path from the top to a leaf is a sequence of steps after which no agent sleeps any more.
//
//  1. A sequence is put below the first branch whose step may come first in it: because it does (then it is taken out of the
//     sequence), or because it depends on nothing in it. What ends at a leaf will be run in any case, for all that can follow
//     a leaf is run. Where no branch fits the rest becomes a new one.
//  2. All but the last step of a sequence are known exactly. The last, a leaf, was taken out of its place by the reversal of a race. A
//     sequence that only may end there is put beside it, into a tree of its own, until the leaf is run and known.
//  3. Whether the last step of a new sequence depends on a branch's step may be uncertain too. Then it is taken not to: if it does, the
//     runs from there have that race, and bring the sequence back, knowing more.
//  4. Whether a branch's step and a step of the sequence end a tally may not be known before they have been made one after the other.
//     Then the sequence is put below the branch as if they did not, and beside it, too. If they do, what is run from below is a class as
//     any other, and what stands beside is still to be run.
#include "footprints.hpp"

namespace quiesce::lab::detail {

using Sequence = std::vector<PlannedStep>;

/// What is made before a sequence.
struct Before {
  std::span<const MadeStep> run;
  std::span<const PlannedStep> passed;  // after the run
};
/// Whether the step or the last of the others ends a tally that both update, as far as that is known: then they do not commute. `there`:
/// the step as it is known to be after the others.
Footprints::Tally tally_after(const Footprints& prints, const Before& before, const PlannedStep& step,
                              std::span<const PlannedStep> others, const PlannedStep* there = nullptr);

/// Whether `step` may come first in a run that goes on with `sequence`: a weak initial of it.
struct FirstIn {
  bool may_be;
  bool commutes = false;  // false: whether they end a tally is not known
  Index at = none;        // where in the sequence it is, or none
};
FirstIn first_in(const Footprints& prints, const Before& before, const PlannedStep& step,
                 std::span<const PlannedStep> sequence);

/// The storage of many trees. A tree is the index of its first branch, or none.
class WakeupTrees {
 public:
  explicit WakeupTrees(const Footprints& prints) : prints_(prints) {}

  /// Uses up the sequence.
  void insert(Index& tree, std::span<const MadeStep> before, Sequence& sequence);
  /// Takes away the first branch. The trees below and beside it are the caller's now.
  struct Branch {
    PlannedStep step;
    Index below;
    Index beside;
  };
  Branch take_first(Index& tree);
  /// Puts back what was beside a branch and must not come after its step, now that all that begins with it has been run; all of it
  /// without a step.
  void put_back(Index& tree, std::span<const MadeStep> before, Index beside, const PlannedStep* step);
  void release(Index tree);

 private:
  struct Node {
    PlannedStep step;
    Index next;
    Index below;
    Index beside;
  };
  struct Link {
    Index node;  // none: the tree itself
    Index Node::*field;
  };
  Index& at(Index& tree, Link link) { return link.node == none ? tree : nodes_[link.node].*link.field; }
  void insert_at(Index& tree, Link link, std::span<const MadeStep> before, Sequence& sequence, bool is_beside);
  Index add(const Sequence& sequence);
  void put_back_paths(Index& tree, std::span<const MadeStep> before, Index from, const PlannedStep* step);

  const Footprints& prints_;
  std::vector<Node> nodes_;
  Index free_ = none;  // a list by `next`
  Sequence path_;
  Sequence put_back_;
  Sequence passed_;  // the branches above
  std::vector<Index> releasing_;
};

}  // namespace quiesce::lab::detail
