// fork_join in the lab: a branch runs in its parent or is taken, and every way in which that may happen is explored.
#include "quiesce/fork_join.hpp"

#include "lab/sync/exploring.hpp"
#include "quiesce/sync/mutex.hpp"

namespace quiesce::lab_tests {
namespace {

using namespace std::chrono_literals;

Task<int> touch(Cx cx, lab::shared<int>* where, std::string* taken, std::string parent) {
  where->write(where->read() + 1);
  if (cx.path() != parent) *taken = cx.path();
  co_return 1;
}

/// Each branch has what it writes to itself.
Task<> apart(Cx cx, Scope<>&) {
  lab::shared<int> left{0}, right{0};
  std::string taken, other;
  auto [a, b] =
      co_await fork_join(cx, fork(touch, &left, &taken, cx.path()), call(touch, &right, &other, cx.path()));
  lab::check(a == 1 && b == 1 && left.read() == 1 && right.read() == 1, "each branch ran once");
  lab::check(other.empty(), "the call runs in the task itself");
}
/// Three that give way: those that have not begun then are to be tasks.
Task<int> yields(Cx cx, int* runs) {
  ++*runs;
  co_await cx.yield();
  co_return 1;
}
Task<> waiting_apart(Cx cx, Scope<>&) {
  int one = 0, two = 0, three = 0;
  auto [a, b, c] = co_await fork_join(cx, fork(yields, &one), fork(yields, &two), call(yields, &three));
  lab::check(a + b + c == 3 && one == 1 && two == 1 && three == 1, "each branch ran once");
}
Task<> taken_or_not(Cx cx, Scope<>&) {
  lab::shared<int> left{0}, right{0};
  std::string taken, other;
  co_await fork_join(cx, fork(touch, &left, &taken, cx.path()), call(touch, &right, &other, cx.path()));
  lab::sometimes(taken.empty(), "nobody takes the branch");
  lab::sometimes(!taken.empty(), "somebody takes the branch");
}

TEST(LabForkJoin, InlineAndStolenRunsAreExplored) {
  expect_holds(apart);
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 3, .max_runs = 300, .workers = 2}, apart));
  EXPECT_LAB_OK(
      lab::explore({.strategy = lab::random(), .seed = 4, .max_runs = 300, .workers = 2}, taken_or_not));
  // Nobody takes it; somebody does, and has ended when the parent joins it, or has not.
  EXPECT_EQ(expect_exhausted(taken_or_not), 3u);
}
TEST(LabForkJoin, DporSeesEveryClass) { expect_every_class(apart); }

Task<int> add(Cx, lab::shared<int>* where) {
  where->write(where->read() + 1);
  co_return 1;
}
Task<> race(Cx cx, Scope<>&) {
  lab::shared<int> sum{0};
  auto [a, b] = co_await fork_join(cx, fork(add, &sum), call(add, &sum));
  lab::check(a + b == 2, "both have run");
}
TEST(LabForkJoin, BranchesThatWriteTheSameAreARace) {
  const lab::Report report = lab::explore({.strategy = lab::dpor()}, race);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::data_race) << report.text();
}

Task<> writes(Cx, lab::shared<int>* where) {
  where->write(1);
  co_return;
}
/// The end of a task orders, also for who comes when it is there already.
Task<> joins_late(Cx cx, Scope<>& scope) {
  lab::shared<int> written{0};
  auto handle = co_await scope.spawn(cx, writes, unsafe_send(&written));
  co_await cx.yield();
  co_await handle.join(cx);
  lab::check(written.read() == 1, "what a task has done is seen after its join");
}
TEST(LabForkJoin, TheEndOfATaskOrders) { EXPECT_GE(expect_exhausted(joins_late), 2u); }

struct Shop {
  Mutex<int> till{0, "till"};
  int alive = 0;
};
struct Here {
  Shop* shop;
  explicit Here(Shop* where) : shop(where) { ++shop->alive; }
  ~Here() { --shop->alive; }
};
Task<int> sell(Cx cx, Shop* shop, int depth) {
  const Here here(shop);
  if (depth > 0) {
    auto [a, b] = co_await fork_join(cx, fork(sell, shop, depth - 1), call(sell, shop, depth - 1));
    co_return a + b;
  }
  auto guard = co_await shop->till.lock(cx);
  ++*guard;
  co_await cx.yield();
  co_return 1;
}
template <int depth>
Task<> selling(Cx cx, Scope<>&) {
  Shop shop;
  auto body = [&shop](Cx mine, Scope<>&) -> Task<int> { return sell(mine, &shop, depth); };
  const Outcome<int> sold = co_await region(cx, FailFast(), body).outcome();
  lab::check(shop.alive == 0, "no branch outlives the region");
  if (sold.is_ok()) lab::check(sold.value() == (1 << depth), "every branch is counted once");
  lab::sometimes(sold.is_ok(), "all of it is done");
}
TEST(LabForkJoin, BranchesThatWaitHoldTogether) { expect_holds(selling<2>, 300); }
TEST(LabForkJoin, BranchesThatWaitAreExhausted) { expect_every_class(selling<1>); }
TEST(LabForkJoin, OnSimulatedWorkers) {
  EXPECT_LAB_OK(
      lab::explore({.strategy = lab::random(), .seed = 5, .max_runs = 300, .workers = 3}, selling<2>));
}

Task<int> fails(Cx cx, Shop* shop, int how) {
  const Here here(shop);
  if (how == 1) co_await fail(Error("no"));
  if (how == 2) throw std::runtime_error("broken");
  if (how == 3) (void)co_await cx.sleep(1h);
  co_return 1;
}
template <int fork_how, int call_how>
Task<> failing(Cx cx, Scope<>&) {
  Shop shop;
  auto body = [&shop](Cx mine, Scope<>&) -> Task<int> {
    auto [a, b, c] = co_await fork_join(mine, fork(fails, &shop, fork_how), fork(fails, &shop, 0),
                                        call(fails, &shop, call_how));
    co_return a + b + c;
  };
  const Outcome<int> ended = co_await region(cx, FailFast(), body).outcome();
  lab::check(shop.alive == 0, "no branch outlives the region");
  lab::check(!ended.is_ok(), "the failure is not lost");
  if (fork_how == 2 || call_how == 2)
    lab::check(ended.is_panicked() || ended.is_cancelled(), "the worst is given");
}
TEST(LabForkJoin, FailuresStopTheOthers) {
  expect_holds(failing<1, 0>, 200);
  expect_holds(failing<0, 2>, 200);
  expect_holds(failing<1, 2>, 200);
  expect_holds(failing<3, 1>, 200);
  EXPECT_GE(expect_exhausted(failing<1, 0>), 2u);
  EXPECT_GE(expect_exhausted(failing<3, 1>), 2u);
}

/// Without memory for a record the branch goes back to its parent, which runs it after all.
TEST(LabForkJoin, WithoutMemoryNoBranchIsLost) {
  for (const std::uint32_t one_in : {1u, 2u, 5u}) {
    const lab::Chaos chaos{.refused_allocation = {.one_in = one_in}};
    EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 6, .max_runs = 300, .chaos = chaos}, apart));
    EXPECT_LAB_OK(
        lab::explore({.strategy = lab::random(), .seed = 7, .max_runs = 300, .chaos = chaos}, waiting_apart));
    EXPECT_LAB_OK(lab::explore(
        {.strategy = lab::random(), .seed = 8, .max_runs = 300, .workers = 3, .chaos = chaos}, waiting_apart));
  }
}

}  // namespace
}  // namespace quiesce::lab_tests
