#include "wakeup_tree.hpp"

#include <algorithm>
#include <utility>

namespace quiesce::lab::detail {

namespace {

Footprints::Tally tally_after(const Footprints& prints, const Before& before, const PlannedStep& step,
                              std::span<const PlannedStep> others, const PlannedStep* there, Index object) {
  const std::uint64_t own = prints.update_hash(step, object);
  std::uint64_t last = 0;
  std::uint64_t sum = own;
  for (const PlannedStep& other : others) {
    const std::uint64_t hash = prints.update_hash(other, object);
    sum += hash;
    if (hash != 0) last = hash;
  }
  if (own == 0 || last == 0) return Footprints::Tally::Open;
  if (there != nullptr && there->exact == PlannedStep::all && prints.update_hash(*there, object) == own)
    return prints.ends_tally(there->footprint, object) ? Footprints::Tally::Ended : Footprints::Tally::Open;
  for (const MadeStep& made : before.run) sum += prints.update_hash(planned(made), object);
  for (const PlannedStep& passed : before.passed) sum += prints.update_hash(passed, object);
  return std::max(prints.tally(object, sum, own), prints.tally(object, sum, last));
}

}  // namespace

Footprints::Tally tally_after(const Footprints& prints, const Before& before, const PlannedStep& step,
                              std::span<const PlannedStep> others, const PlannedStep* there) {
  auto tally = Footprints::Tally::Open;
  for (const Mark& mark : prints.certain_marks(step)) {
    if (!is_update(mark.access) || tally == Footprints::Tally::Ended) continue;
    const auto of_object = tally_after(prints, before, step, others, there, mark.object);
    if (of_object != Footprints::Tally::Open) tally = of_object;
  }
  return tally;
}

FirstIn first_in(const Footprints& prints, const Before& before, const PlannedStep& step,
                 std::span<const PlannedStep> sequence) {
  const auto own = std::ranges::find(sequence, step.agent, &PlannedStep::agent);
  const std::span<const PlannedStep> others(sequence.begin(), own);
  const auto depends = [&](const PlannedStep& other) { return prints.surely_conflict(step, other); };
  if (std::ranges::any_of(others, depends)) return {.may_be = false};
  const PlannedStep* there = own == sequence.end() ? nullptr : &*own;
  const auto tally = tally_after(prints, before, step, others, there);
  if (tally == Footprints::Tally::Ended) return {.may_be = false};
  const bool commutes = tally == Footprints::Tally::Open;
  if (own == sequence.end()) return {true, commutes};
  return {prints.may_be_same(step, *own), commutes, static_cast<Index>(others.size())};
}

void WakeupTrees::insert(Index& tree, std::span<const MadeStep> before, Sequence& sequence) {
  passed_.clear();
  insert_at(tree, {none, nullptr}, before, sequence, false);
}

void WakeupTrees::insert_at(Index& tree, Link link, std::span<const MadeStep> before, Sequence& sequence,
                            bool is_beside) {
  while (at(tree, link) != none) {
    const Index branch = at(tree, link);
    const PlannedStep step = nodes_[branch].step;
    const FirstIn first = first_in(prints_, {before, passed_}, step, sequence);
    if (!first.may_be) {
      link = {branch, &Node::next};
      continue;
    }
    const bool is_leaf = nodes_[branch].below == none;
    const bool ends_here = is_leaf && (sequence.empty() || first.at == 0 || step.exact == PlannedStep::all);
    if (first.commutes && ends_here) return;
    if (!first.commutes && !is_beside && !is_leaf) {
      Sequence copy = sequence;
      const std::size_t passed = passed_.size();
      insert_at(tree, {branch, &Node::beside}, before, copy, true);
      passed_.resize(passed);
    } else if (!first.commutes || is_leaf) {
      is_beside = true;
      link = {branch, &Node::beside};
      continue;
    }
    if (first.at != none) sequence.erase(sequence.begin() + first.at);
    passed_.push_back(step);
    link = {branch, &Node::below};
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

void WakeupTrees::put_back(Index& tree, std::span<const MadeStep> before, Index beside,
                           const PlannedStep* step) {
  path_.clear();
  put_back_paths(tree, before, beside, step);
  release(beside);
}

void WakeupTrees::put_back_paths(Index& tree, std::span<const MadeStep> before, Index from,
                                 const PlannedStep* step) {
  for (Index branch = from; branch != none; branch = nodes_[branch].next) {
    path_.push_back(nodes_[branch].step);
    if (nodes_[branch].below != none) {
      put_back_paths(tree, before, nodes_[branch].below, step);
    } else if (step == nullptr || !first_in(prints_, {before, {}}, *step, path_).may_be) {
      put_back_ = path_;
      insert(tree, before, put_back_);
    }
    path_.pop_back();
    put_back_paths(tree, before, nodes_[branch].beside, step);
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
