// lab::atomic: the operations of std::atomic, each one step, and waiting.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <set>
#include <vector>

#include "explore_support.hpp"

namespace quiesce::lab {
namespace {

using tests::explore_all;
using tests::failure_of;

template <class T>
class LabAtomicOf : public ::testing::Test {};
using Integers = ::testing::Types<signed char, unsigned short, int, unsigned, long, unsigned long long>;
TYPED_TEST_SUITE(LabAtomicOf, Integers);

/// Every operation once, on whichever atomic; what each gave.
template <class Atomic, class T>
std::vector<T> run_operations(Atomic& x) {
  std::vector<T> seen;
  const auto see = [&](auto value) { seen.push_back(static_cast<T>(value)); };
  T expected = 3;
  see(x.load());
  x.store(5);
  see(x.exchange(7));
  see(x.compare_exchange_strong(expected, 1));
  see(expected);
  see(x.compare_exchange_strong(expected, 1));
  see(x.load(std::memory_order_acquire));
  expected = 1;
  see(x.compare_exchange_strong(expected, 12, std::memory_order_acq_rel, std::memory_order_relaxed));
  see(x.fetch_add(3));
  see(x.fetch_sub(1, std::memory_order_relaxed));
  see(x.fetch_and(13));
  see(x.fetch_or(3));
  see(x.fetch_xor(6));
  see(++x);
  see(x++);
  see(--x);
  see(x--);
  see(x += 9);
  see(x -= 4);
  see(x &= 14);
  see(x |= 5);
  see(x ^= 3);
  see(x = 42);
  see(static_cast<T>(x));
  x.wait(7);
  x.notify_one();
  x.notify_all();
  return seen;
}

TYPED_TEST(LabAtomicOf, DoesWhatTheStandardOneDoes) {
  std::atomic<TypeParam> standard(2);
  const auto expected = run_operations<std::atomic<TypeParam>, TypeParam>(standard);
  lab::atomic<TypeParam> production(2);
  EXPECT_EQ((run_operations<lab::atomic<TypeParam>, TypeParam>(production)), expected);
  std::vector<TypeParam> in_lab;
  const Report report = explore_threads({.max_runs = 1}, [&] {
    lab::atomic<TypeParam> x(2, "x");
    in_lab = run_operations<lab::atomic<TypeParam>, TypeParam>(x);
  });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_EQ(in_lab, expected);
  EXPECT_EQ(report.steps, 1u + 26u) << "every operation is one step";
}

TEST(LabAtomic, OfOtherTypes) {
  struct Pair {
    int a, b;
    bool operator==(const Pair&) const = default;
  };
  enum class Color : unsigned char { Red, Green };
  const auto use = [] {
    lab::atomic<Pair> pair(Pair{1, 2});
    Pair expected{1, 2};
    check(pair.compare_exchange_weak(expected, Pair{3, 4}), "exchanged");
    check(pair.load() == Pair{3, 4}, "pair");
    lab::atomic<bool> flag;
    check(!flag.exchange(true) && flag, "flag");
    lab::atomic<Color> color(Color::Red);
    color = Color::Green;
    check(color.load() == Color::Green, "color");
    std::array<int, 4> numbers{};
    lab::atomic<int*> pointer(numbers.data());
    check(pointer.fetch_add(2) == numbers.data(), "pointer before");
    check(++pointer == numbers.data() + 3 && (pointer -= 3) == numbers.data(), "pointer after");
    lab::atomic<double> real(1.5);
    check(real.fetch_add(2.0) == 1.5 && (real -= 1.0) == 2.5, "real");
    lab::atomic<std::shared_ptr<int>*> none(nullptr);
    check(none.load() == nullptr, "null");
  };
  use();
  const Report report = explore_threads({.max_runs = 1}, use);
  EXPECT_FALSE(report.failed()) << report.text();
}

TEST(LabAtomic, EveryOrderOfTwoCountersIsSeen) {
  // Load and store may lose an update, and only then; a fetch_add cannot.
  std::set<int> by_halves;
  const auto count = [](bool whole, std::set<int>& results) {
    return explore_all([&results, whole] {
      lab::atomic<int> x(0);
      const auto add = [&] {
        if (whole) {
          x.fetch_add(1);
        } else {
          const int seen = x.load();
          x.store(seen + 1);
        }
      };
      lab::thread a(add);
      lab::thread b(add);
      a.join();
      b.join();
      results.insert(x.load());
    });
  };
  EXPECT_FALSE(count(false, by_halves).failed());
  EXPECT_EQ(by_halves, (std::set<int>{1, 2}));
  std::set<int> whole;
  EXPECT_FALSE(count(true, whole).failed());
  EXPECT_EQ(whole, std::set<int>{2});
}

TEST(LabAtomic, ACompareExchangeThatFailsIsARead) {
  /// Every step of a run, as the strategy is told them.
  struct Listener : detail::Strategy {
    std::vector<detail::Step> steps;
    bool begin_run() override { return true; }
    LogicalId choose(std::span<const LogicalId> able) override { return able.front(); }
    std::uint32_t draw(std::uint32_t) override { return 0; }
    void executed(const detail::Step& step) override { steps.push_back(step); }
    void end_run(bool) override {}
    Counts counts() const override { return {}; }
  } listener;
  detail::Engine engine;
  engine.run(listener, "main", [] {
    lab::atomic<int> x(0);
    mutex m;
    int expected = 1;
    x.compare_exchange_strong(expected, 5);
    x.compare_exchange_strong(expected, 5);
    x.load();
    x.store(1);
    m.try_lock();
    m.try_lock();
    m.unlock();
  });
  std::vector<detail::Access> accesses;
  for (std::size_t i = 1; i < listener.steps.size(); ++i)
    accesses.push_back(listener.steps[i].touches.front().access);
  using enum detail::Access;
  EXPECT_EQ(accesses, (std::vector{Read, Write, Read, Write, Acquire, Read, Release}));
}

TEST(LabAtomic, WaitReturnsWhenTheValueIsAnother) {
  const Report report = explore_all([] {
    lab::atomic<int> x(0);
    lab::thread a([&] {
      x.store(1);
      x.notify_one();
    });
    x.wait(0);
    check(x.load() == 1, "changed");
    a.join();
  });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_TRUE(report.exhausted);
}

TEST(LabAtomic, AForgottenNotifyIsADeadlock) {
  const Report report = explore_all([] {
    lab::atomic<int> x(0, "x");
    lab::thread a([&] { x.store(1); });
    x.wait(0);
    a.join();
  });
  const FoundFailure failure = failure_of(report);
  EXPECT_EQ(failure.kind, FailureKind::deadlock);
  EXPECT_EQ(failure.message, "nothing can move: main waits to be notified by atomic x");
}

TEST(LabAtomic, ANotificationWithoutAChangeIsNotEnough) {
  const FoundFailure failure = failure_of(explore_all([] {
    lab::atomic<int> x(0, "x");
    lab::thread a([&] { x.notify_all(); });
    x.wait(0);
    a.join();
  }));
  EXPECT_EQ(failure.kind, FailureKind::deadlock);
}

TEST(LabAtomic, NotifyAllReachesEveryWaiter) {
  const auto wait_for_two = [](bool all) {
    return explore_threads({.strategy = random(), .max_runs = 500}, [all] {
      lab::atomic<int> x(0);
      lab::thread a([&] { x.wait(0); });
      lab::thread b([&] { x.wait(0); });
      x.store(1);
      if (all) {
        x.notify_all();
      } else {
        x.notify_one();
      }
      a.join();
      b.join();
    });
  };
  EXPECT_FALSE(wait_for_two(true).failed());
  EXPECT_EQ(failure_of(wait_for_two(false)).kind, FailureKind::deadlock);
}

}  // namespace
}  // namespace quiesce::lab
