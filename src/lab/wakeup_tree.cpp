#include "wakeup_tree.hpp"

#include <utility>

namespace quiesce::lab::detail {

FirstIn first_in(const Footprints& prints, const PlannedStep& step, const Sequence& sequence) {
  for (Index i = 0; i < sequence.size(); ++i) {
    if (sequence[i].agent == step.agent) return {prints.may_be_same(step, sequence[i]), i};
    if (prints.surely_conflict(step, sequence[i])) return {false};
  }
  return {true};
}

void WakeupTrees::insert(Index& tree, Sequence& sequence) {
  Link link{none, nullptr};
  while (at(tree, link) != none) {
    const Index branch = at(tree, link);
    const Node& node = nodes_[branch];
    const FirstIn first = first_in(prints_, node.step, sequence);
    if (!first.may_be) {
      link = {branch, &Node::next};
    } else if (node.below != none) {
      if (first.at != none) sequence.erase(sequence.begin() + first.at);
      link = {branch, &Node::below};
    } else {
      const bool ends_here = first.at == 0 || node.step.exact == PlannedStep::all;
      if (sequence.empty() || (ends_here && !node.step.is_doubtful)) return;
      link = {branch, &Node::beside};
    }
  }
  const Index added = add(sequence);
  at(tree, link) = added;
}

WakeupTrees::Branch WakeupTrees::take_first(Index& tree) {
  Node& node = nodes_[tree];
  const Branch branch{node.step, node.below, node.beside};
  const Index next = node.next;
  node.next = std::exchange(free_, tree);
  tree = next;
  return branch;
}

void WakeupTrees::put_back(Index& tree, Index beside, const PlannedStep* step) {
  path_.clear();
  put_back_paths(tree, beside, step);
  release(beside);
}

void WakeupTrees::put_back_paths(Index& tree, Index from, const PlannedStep* step) {
  for (Index branch = from; branch != none; branch = nodes_[branch].next) {
    path_.push_back(nodes_[branch].step);
    if (nodes_[branch].below != none) {
      put_back_paths(tree, nodes_[branch].below, step);
    } else if (step == nullptr || !first_in(prints_, *step, path_).may_be) {
      put_back_ = path_;
      insert(tree, put_back_);
    }
    path_.pop_back();
    put_back_paths(tree, nodes_[branch].beside, step);
  }
}

void WakeupTrees::release(Index tree) {
  if (tree != none) releasing_.push_back(tree);
  while (!releasing_.empty()) {
    const Index branch = releasing_.back();
    releasing_.pop_back();
    Node& node = nodes_[branch];
    for (const Index part : {node.below, node.next, node.beside}) {
      if (part != none) releasing_.push_back(part);
    }
    node.next = std::exchange(free_, branch);
  }
}

// One branch, with the rest of the sequence below it.
Index WakeupTrees::add(const Sequence& sequence) {
  Index below = none;
  for (std::size_t i = sequence.size(); i-- > 0;) {
    Index node = free_;
    if (node != none) {
      free_ = nodes_[node].next;
    } else {
      node = static_cast<Index>(nodes_.size());
      nodes_.emplace_back();
    }
    nodes_[node] = {sequence[i], none, below, none};
    below = node;
  }
  return below;
}

}  // namespace quiesce::lab::detail
