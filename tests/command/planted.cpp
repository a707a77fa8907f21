// Planted bugs for the tests of the quiesce command: each suite has what one of them needs.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <mutex>

#include "quiesce/lab.hpp"
#include "quiesce/lab/gtest.hpp"

namespace q = quiesce;
namespace lab = quiesce::lab;

namespace {

/// Two transfers in a region of their own, each of which may read what the other is about to write.
q::Task<> two_transfers(q::Cx cx, q::Scope<>& scope) {
  lab::atomic<int> balance{100, "balance"};
  auto withdraw = [&](q::Cx mine) -> q::Task<> {
    const int seen = balance.load();
    co_await mine.sleep(std::chrono::milliseconds(2));
    balance.store(seen - 10);
  };
  auto deposit = [&](q::Cx mine) -> q::Task<> {
    co_await mine.sleep(std::chrono::milliseconds(1));
    const int seen = balance.load();
    co_await mine.yield();
    balance.store(seen + 10);
  };
  auto both = [&](q::Cx inner, q::Scope<>& child) -> q::Task<> {
    auto a = child.spawn(inner, q::unsafe_send(withdraw)).value();
    auto b = child.spawn(inner, q::unsafe_send(deposit)).value();
    co_await a.join(inner);
    co_await b.join(inner);
  };
  co_await scope.region(cx, q::FailFast{}, both);
  lab::check(balance.load() == 100, "money was lost or made");
}

TEST(Bank, TransfersKeepTheSum) { EXPECT_LAB_OK(lab::explore({.max_runs = 1}, two_transfers)); }

TEST(Bank, LeavesNothingHalfDoneWhenItIsCancelled) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    int from = 100, to = 0;
    auto move = [&](q::Cx mine) -> q::Task<> {
      from -= 10;
      co_await mine.yield();
      to += 10;
    };
    auto moving = scope.spawn(cx, q::unsafe_send(move)).value();
    auto waiting = moving.join(cx);
    (void)co_await std::move(waiting).outcome();
    lab::check(from + to == 100, "money was lost");
  };
  EXPECT_LAB_OK(lab::explore({.max_runs = 1}, body));
}

TEST(Threads, LockInOneOrder) {
  auto body = [] {
    lab::mutex left("left"), right("right");
    lab::thread a([&] {
      std::scoped_lock first(left);
      std::scoped_lock second(right);
    });
    lab::name(a, "a");
    {
      std::scoped_lock first(right);
      std::scoped_lock second(left);
    }
    a.join();
  };
  EXPECT_LAB_OK(lab::explore_threads({.max_runs = 1}, body));
}

TEST(Sound, CountsWhatIsAdded) {
  auto body = [] {
    lab::atomic<int> count{0, "count"};
    auto add = [&] { count.fetch_add(1); };
    lab::thread a(add), b(add);
    a.join();
    b.join();
    lab::check(count.load() == 2, "both were counted");
  };
  EXPECT_LAB_OK(lab::explore_threads({.max_runs = 100}, body));
}

TEST(Unexplored, NeedsNoLab) { EXPECT_EQ(6 * 7, 42); }

TEST(Crashing, EndsTheProcess) {
  auto body = [] {
    lab::atomic<int> x{0};
    x.store(1);
    std::raise(SIGSEGV);
  };
  EXPECT_LAB_OK(lab::explore_threads({.max_runs = 1}, body));
}

TEST(Endless, NeverGivesWay) {
  auto body = [] {
    for (volatile bool on = true; on;) continue;
  };
  EXPECT_LAB_OK(lab::explore_threads({.max_runs = 1}, body));
}

}  // namespace
