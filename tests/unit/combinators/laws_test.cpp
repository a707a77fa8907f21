// Rule J4 and more: trees of combinators over leaves with virtual durations do what a pure model says, and obey laws.
//
// Every duration in a tree is another power of two, so that no two sums of some of them are equal and nothing happens at the same time
// as something else: what is drawn among the ready is left to other tests.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>

#include "quiesce/combinators/quorum.hpp"
#include "unit/combinators/branches.hpp"

namespace quiesce::combinator_tests {
namespace {

enum class Kind { Leaf, Join, Race, Timeout, FirstOk, Quorum };

struct Tree {
  Kind kind = Kind::Leaf;
  std::vector<std::shared_ptr<const Tree>> branches = {};
  Duration duration = {};   // of a leaf, until it ends; of a timeout
  Duration drain = {};      // of a leaf, from a request to its end
  bool is_ok = true;        // a leaf's own end
  bool is_late_ok = false;  // the same when it was asked to stop; else it ends Cancelled
  std::size_t needed = 0;
  int number = 0;
};
using TreePtr = std::shared_ptr<const Tree>;
constexpr Duration forever = Duration::max();

// ---- what is observed ----

enum class Ended { Ok, Err, Cancelled };
struct Observed {
  Ended how;
  std::string text;
  Duration at;
  friend bool operator==(const Observed&, const Observed&) = default;
};
[[maybe_unused]] std::ostream& operator<<(std::ostream& out, const Observed& o) {
  return out << (o.how == Ended::Ok    ? "ok "
                 : o.how == Ended::Err ? "err "
                                       : "cancelled ")
             << o.text << " at " << o.at.count();
}

// ---- the real thing: every node a task of one region ----

using Root = Scope<CollectAll>;

Task<std::string> leaf(Cx cx, TreePtr tree) {
  auto sleeping = cx.sleep(tree->duration == forever ? Duration(std::chrono::hours(100'000)) : tree->duration);
  auto slept = co_await sleeping.outcome();
  const std::string number = std::to_string(tree->number);
  if (slept.is_ok()) {
    if (!tree->is_ok) co_await fail(Error("e" + number));
    co_return "v" + number;
  }
  if (tree->drain > Duration::zero()) {
    MaskGuard mask = cx.mask();
    co_await cx.sleep(tree->drain);
  }
  if (!tree->is_late_ok) co_await std::move(slept);
  co_return "v" + number;
}

Task<std::string> evaluate(Cx cx, Root scope, TreePtr tree) {
  std::vector<TaskHandle<std::string>> handles;
  for (const TreePtr& branch : tree->branches)
    handles.push_back(co_await scope.spawn(cx, evaluate, scope, TreePtr(branch)));
  std::string text;
  switch (tree->kind) {
    case Kind::Leaf: text = co_await leaf(cx, tree); break;
    case Kind::Join: {
      auto outcomes = co_await scope.join_all(cx, std::move(handles));
      for (auto& one : outcomes)
        text += (text.empty() ? "" : " ") + (one.is_ok() ? one.value() : describe(one));
      break;
    }
    case Kind::Race: {
      auto won = co_await scope.race_all(cx, std::move(handles));
      text = won.value;
      break;
    }
    case Kind::Timeout: text = co_await scope.timeout(cx, tree->duration, std::move(handles[0])); break;
    case Kind::FirstOk: text = co_await first_ok(cx, scope, std::move(handles)); break;
    case Kind::Quorum: {
      auto won = co_await quorum(cx, scope, tree->needed, std::move(handles));
      for (auto& one : won) text += (text.empty() ? "" : " ") + one.value;
      break;
    }
  }
  co_return text;
}

Observed observe(const TreePtr& tree) {
  Branches b(testing::StepperOptions{.cleanup = CleanupBudget{1'000'000, forever}});
  auto handle = b.scope.spawn(b.cx, evaluate, Root(b.scope), TreePtr(tree)).value();
  auto o = b.stepper.run(handle.join(b.cx));
  EXPECT_TRUE(b.stepper.live_tasks().empty()) << "nothing is left running";
  const Ended how = o.is_ok() ? Ended::Ok : o.is_err() ? Ended::Err : Ended::Cancelled;
  return {how, o.is_ok() ? o.value() : o.is_err() ? o.error().message() : "", b.since_start()};
}

// ---- the model: what a tree that begins at 0 and is asked to stop at `cancel` comes to ----

Observed model(const Tree& tree, Duration start, Duration cancel);

Duration all_ended(const Tree& tree, Duration start, Duration cancel) {
  Duration last{};
  for (const TreePtr& branch : tree.branches) last = std::max(last, model(*branch, start, cancel).at);
  return last;
}
Observed cancelled_all(const Tree& tree, Duration start, Duration cancel) {
  return {Ended::Cancelled, "", all_ended(tree, start, cancel)};
}

Observed model_leaf(const Tree& tree, Duration start, Duration cancel) {
  const Duration natural = tree.duration == forever ? forever : start + tree.duration;
  const std::string number = std::to_string(tree.number);
  if (natural <= cancel)
    return {tree.is_ok ? Ended::Ok : Ended::Err, (tree.is_ok ? "v" : "e") + number, natural};
  return {tree.is_late_ok ? Ended::Ok : Ended::Cancelled, tree.is_late_ok ? "v" + number : "",
          cancel + tree.drain};
}

Observed model_timeout(const Tree& tree, Duration start, Duration cancel) {
  const Tree& inner = *tree.branches[0];
  const Observed free = model(inner, start, forever);
  const Duration until = start + tree.duration;
  if (free.at <= std::min(until, cancel)) return free;
  if (cancel < until) return cancelled_all(tree, start, cancel);
  const Observed late = model(inner, start, until);
  return late.how == Ended::Ok ? late : Observed{Ended::Err, "the timeout has passed", late.at};
}

/// Race, first_ok and quorum: branches end one after the other until the matter is decided.
Observed model_votes(const Tree& tree, Duration start, Duration cancel) {
  std::vector<Observed> ends;
  for (const TreePtr& branch : tree.branches) ends.push_back(model(*branch, start, forever));
  std::sort(ends.begin(), ends.end(), [](const Observed& a, const Observed& b) { return a.at < b.at; });
  std::vector<Observed> won, failed;
  const std::size_t needed = tree.kind == Kind::FirstOk ? 1 : tree.needed;
  for (const Observed& end : ends) {
    if (cancel < end.at) return cancelled_all(tree, start, cancel);
    (end.how == Ended::Ok ? won : failed).push_back(end);
    const Duration drained = std::max(end.at, all_ended(tree, start, end.at));
    if (tree.kind == Kind::Race) return {end.how, end.text, drained};
    if (won.size() == needed) {
      std::string text;
      for (const Observed& one : won) text += (text.empty() ? "" : " ") + one.text;
      return {Ended::Ok, text, drained};
    }
    if (failed.size() > ends.size() - needed) {
      const Observed& stands = tree.kind == Kind::FirstOk ? failed.front() : failed.back();
      return {stands.how, stands.text, drained};
    }
  }
  ADD_FAILURE() << "every vote is decided";
  return {Ended::Cancelled, "", {}};
}

Observed model(const Tree& tree, Duration start, Duration cancel) {
  switch (tree.kind) {
    case Kind::Leaf: return model_leaf(tree, start, cancel);
    case Kind::Timeout: return model_timeout(tree, start, cancel);
    case Kind::Join: {
      const Duration done = all_ended(tree, start, forever);
      if (cancel < done) return cancelled_all(tree, start, cancel);
      std::string text;
      for (const TreePtr& branch : tree.branches)
        text += (text.empty() ? "" : " ") + model(*branch, start, forever).text;
      return {Ended::Ok, text, done};
    }
    case Kind::Race:
    case Kind::FirstOk:
    case Kind::Quorum: return model_votes(tree, start, cancel);
  }
  return {};
}

// ---- random trees ----

/// Gives every duration of a tree another power of two, in a drawn order.
class Maker {
 public:
  Maker() : order_(42) {
    std::iota(order_.begin(), order_.end(), 0);
    std::mt19937 shuffle(*rc::gen::arbitrary<std::uint32_t>());
    std::shuffle(order_.begin(), order_.end(), shuffle);
  }
  /// Nothing in it takes a while to stop.
  Maker& prompt() {
    prompt_ = true;
    return *this;
  }

  TreePtr tree(int depth) {
    const int kind = depth == 0 ? 0 : *rc::gen::inRange(0, 6);
    switch (kind) {
      case 1: return node(Kind::Join, two(depth));
      case 2: return node(Kind::Race, two(depth));
      case 3: return timeout(tree(depth - 1));
      case 4: return node(Kind::FirstOk, two(depth));
      case 5: {
        auto branches = two(depth);
        branches.push_back(tree(0));
        return node(Kind::Quorum, branches, static_cast<std::size_t>(*rc::gen::inRange(1, 4)));
      }
      default: return leaf();
    }
  }
  TreePtr leaf() {
    Tree made;
    made.duration = next();
    made.is_ok = *rc::gen::inRange(0, 3) > 0;
    if (!prompt_ && *rc::gen::arbitrary<bool>()) {
      made.drain = next();
      made.is_late_ok = *rc::gen::arbitrary<bool>();
    }
    made.number = static_cast<int>(used_);
    return std::make_shared<Tree>(made);
  }
  TreePtr timeout(TreePtr branch) {
    auto made = std::make_shared<Tree>(*node(Kind::Timeout, {std::move(branch)}));
    made->duration = next();
    return made;
  }
  static TreePtr node(Kind kind, std::vector<TreePtr> branches, std::size_t needed = 0) {
    Tree made;
    made.kind = kind;
    made.branches = std::move(branches);
    made.needed = needed;
    return std::make_shared<Tree>(made);
  }

 private:
  std::vector<TreePtr> two(int depth) {
    auto first = tree(depth - 1);
    return {first, tree(depth - 1)};
  }
  Duration next() {
    RC_PRE(used_ < order_.size());
    return Duration(std::int64_t{1'000} << order_[used_++]);
  }

  std::vector<int> order_;
  std::size_t used_ = 0;
  bool prompt_ = false;
};

TreePtr never() {
  Tree made;
  made.duration = forever;
  return std::make_shared<Tree>(made);
}
TreePtr at_once(bool is_ok) {
  Tree made;
  made.is_ok = is_ok;
  return std::make_shared<Tree>(made);
}
TreePtr pair(Kind kind, TreePtr a, TreePtr b) { return Maker::node(kind, {std::move(a), std::move(b)}); }

RC_GTEST_PROP(CombinatorLaws, TreesDoWhatTheModelSays, ()) {
  const TreePtr tree = Maker().tree(3);
  RC_ASSERT(observe(tree) == model(*tree, {}, forever));
}

RC_GTEST_PROP(CombinatorLaws, J4JoinIsAssociative, ()) {
  Maker make;
  const TreePtr x = make.tree(1), y = make.tree(1), z = make.tree(1);
  RC_ASSERT(observe(pair(Kind::Join, pair(Kind::Join, x, y), z)) ==
            observe(pair(Kind::Join, x, pair(Kind::Join, y, z))));
}

RC_GTEST_PROP(CombinatorLaws, J4RaceIsAssociativeWhereLosersStopAtOnce, ()) {
  Maker make;
  make.prompt();
  const TreePtr x = make.tree(1), y = make.tree(1), z = make.tree(1);
  RC_ASSERT(observe(pair(Kind::Race, pair(Kind::Race, x, y), z)) ==
            observe(pair(Kind::Race, x, pair(Kind::Race, y, z))));
}

RC_GTEST_PROP(CombinatorLaws, J4RaceWithWhatNeverEndsIsAnIdentity, ()) {
  const TreePtr x = Maker().tree(2);
  RC_ASSERT(observe(pair(Kind::Race, x, never())) == observe(x));
  RC_ASSERT(observe(pair(Kind::Race, never(), x)) == observe(x));
}

RC_GTEST_PROP(CombinatorLaws, J4JoinWithAnImmediateUnitIsAnIdentity, ()) {
  const TreePtr x = Maker().tree(2);
  const Observed alone = observe(x), joined = observe(pair(Kind::Join, x, at_once(true)));
  RC_ASSERT(joined.text == alone.text + " v0");
  RC_ASSERT(joined.at == alone.at);
}

RC_GTEST_PROP(CombinatorLaws, FirstOkIsAssociativeWhereLosersStopAtOnce, ()) {
  Maker make;
  make.prompt();
  const TreePtr x = make.tree(1), y = make.tree(1), z = make.tree(1);
  const Observed left = observe(pair(Kind::FirstOk, pair(Kind::FirstOk, x, y), z));
  const Observed right = observe(pair(Kind::FirstOk, x, pair(Kind::FirstOk, y, z)));
  RC_ASSERT(left.how == right.how);
  RC_ASSERT(left.at == right.at);
  if (left.how == Ended::Ok) RC_ASSERT(left.text == right.text);
}

RC_GTEST_PROP(CombinatorLaws, FirstOkWithAnImmediateFailureIsAnIdentity, ()) {
  const TreePtr x = Maker().tree(2);
  const Observed alone = observe(x), with = observe(pair(Kind::FirstOk, x, at_once(false)));
  RC_ASSERT(with.how == alone.how);
  RC_ASSERT(with.at == alone.at);
  if (alone.how == Ended::Ok) RC_ASSERT(with.text == alone.text);
}

RC_GTEST_PROP(CombinatorLaws, AQuorumOfOneIsFirstOkAndOneOfOneAnIdentity, ()) {
  Maker make;
  const TreePtr x = make.tree(1), y = make.tree(1);
  const Observed first = observe(pair(Kind::FirstOk, x, y));
  const Observed vote = observe(Maker::node(Kind::Quorum, {x, y}, 1));
  RC_ASSERT(first.how == vote.how);
  RC_ASSERT(first.at == vote.at);
  if (first.how == Ended::Ok) RC_ASSERT(first.text == vote.text);
  RC_ASSERT(observe(Maker::node(Kind::Quorum, {x}, 1)) == observe(x));
}

RC_GTEST_PROP(CombinatorLaws, ATimeoutThatIsTooLongIsAnIdentity, ()) {
  const TreePtr x = Maker().tree(2);
  Tree late;
  late.kind = Kind::Timeout;
  late.branches = {x};
  late.duration = Duration(std::int64_t{1'000} << 43);
  RC_ASSERT(observe(std::make_shared<Tree>(late)) == observe(x));
}

RC_GTEST_PROP(CombinatorLaws, NestedTimeoutsAreTheShorterOneWhereNothingDrains, ()) {
  Maker make;
  make.prompt();
  const TreePtr x = make.leaf();
  auto outer = std::make_shared<Tree>(*make.timeout(make.timeout(x)));
  const Duration longer = std::max(outer->duration, outer->branches[0]->duration);
  const Duration shorter = std::min(outer->duration, outer->branches[0]->duration);
  outer->duration = longer;
  auto inner = std::make_shared<Tree>(*outer->branches[0]);
  inner->duration = shorter;
  outer->branches = {inner};
  RC_ASSERT(observe(outer) == observe(inner));
}

}  // namespace
}  // namespace quiesce::combinator_tests
