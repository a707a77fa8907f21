// Threads, mutexes, conditions and atomics in the lab, explorations of them, and what they are outside of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "quiesce/detail/lab/drive.hpp"
#include "quiesce/lab/explore_threads.hpp"

namespace quiesce::lab {
namespace {

using detail::make_token;
using detail::parse_token;
using detail::TokenError;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

Report explore_all(const std::function<void()>& body) {
  return explore_threads({.strategy = exhaustive(), .max_runs = 1'000'000}, body);
}

/// The failure of an exploration that must have one.
FoundFailure failure_of(const Report& report) {
  if (report.failed()) return *report.first_failure;
  ADD_FAILURE() << "no failure in " << report.runs << " runs";
  return {FailureKind::oracle, "none", 0, 0, {}, {}};
}

// ---- mutex ----

TEST(LabMutex, ExcludesInEverySchedule) {
  const Report report = explore_all([] {
    mutex m;
    int inside = 0;
    const auto enter = [&] {
      const std::scoped_lock lock(m);
      check(++inside == 1, "one at a time");
      lab::atomic<int>(0).load();  // a switch in the middle
      --inside;
    };
    lab::thread a(enter);
    lab::thread b(enter);
    a.join();
    b.join();
  });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_TRUE(report.exhausted);
  EXPECT_GT(report.runs, 20u);
}

TEST(LabMutex, WithoutItTheyMeet) {
  const FoundFailure failure = failure_of(explore_all([] {
    int inside = 0;
    const auto enter = [&] {
      check(++inside == 1, "one at a time");
      lab::atomic<int>(0).load();
      --inside;
    };
    lab::thread a(enter);
    lab::thread b(enter);
    a.join();
    b.join();
  }));
  EXPECT_EQ(failure.kind, FailureKind::assertion);
  EXPECT_EQ(failure.message, "one at a time");
}

TEST(LabMutex, LocksInOppositeOrderAreADeadlockWithItsCycle) {
  const FoundFailure failure = failure_of(explore_all([] {
    mutex m("m");
    mutex n("n");
    lab::thread a([&] {
      const std::scoped_lock first(m);
      const std::scoped_lock second(n);
    });
    lab::thread b([&] {
      const std::scoped_lock first(n);
      const std::scoped_lock second(m);
    });
    name(a, "a");
    name(b, "b");
    a.join();
    b.join();
  }));
  EXPECT_EQ(failure.kind, FailureKind::deadlock);
  EXPECT_EQ(failure.message,
            "nothing can move: in a cycle a holds mutex m and waits to lock mutex n, b holds mutex n and waits "
            "to lock mutex m; "
            "besides, main waits to join a");
}

TEST(LabMutex, LockingTwiceIsADeadlockWithOneself) {
  const FoundFailure failure = failure_of(explore_all([] {
    mutex m("m");
    m.lock();
    m.lock();
  }));
  EXPECT_EQ(failure.kind, FailureKind::deadlock);
  EXPECT_THAT(failure.message, HasSubstr("in a cycle main holds mutex m and waits to lock mutex m"));
}

TEST(LabMutex, AThreadThatEndsHoldingItIsNamed) {
  const FoundFailure failure = failure_of(explore_all([] {
    mutex m("m");
    lab::thread a([&] { m.lock(); });
    name(a, "a");
    a.join();
    m.lock();
  }));
  EXPECT_EQ(failure.kind, FailureKind::deadlock);
  EXPECT_THAT(failure.message, HasSubstr("main waits to lock mutex m, which a still held when it ended"));
}

TEST(LabMutex, TryLockSaysWhetherItIsFree) {
  std::set<bool> seen;
  const Report report = explore_all([&] {
    mutex m;
    lab::thread a([&] { const std::scoped_lock lock(m); });
    const bool got = m.try_lock();
    seen.insert(got);
    if (got) {
      check(!m.try_lock(), "held by oneself is not free");
      m.unlock();
    }
    a.join();
    check(m.try_lock(), "free at the end");
    m.unlock();
  });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_EQ(seen.size(), 2u);
}

TEST(LabMutex, UnlockingWhatIsNotOnesOwnIsMisuse) {
  FoundFailure failure = failure_of(explore_all([] { mutex("m").unlock(); }));
  EXPECT_EQ(failure.kind, FailureKind::misuse);
  EXPECT_EQ(failure.message, "main unlocks mutex m, which nobody holds");
  failure = failure_of(explore_all([] {
    mutex m("m");
    m.lock();
    lab::thread a([&] { m.unlock(); });
    name(a, "a");
    a.join();
  }));
  EXPECT_EQ(failure.kind, FailureKind::misuse);
  EXPECT_EQ(failure.message, "a unlocks mutex m, which main holds");
  EXPECT_THAT(failure.schedule, ContainsRegex("then: misuse at threads_test.cpp:[0-9]+"));
}

// ---- condition ----

TEST(LabCondition, APredicateUnderTheMutexLosesNoWakeUp) {
  const Report report = explore_all([] {
    mutex m;
    condition changed;
    shared<bool> ready(false);
    lab::thread setter([&] {
      {
        const std::scoped_lock lock(m);
        ready.write(true);
      }
      changed.notify_one();
    });
    std::unique_lock lock(m);
    changed.wait(lock, [&] { return ready.read(); });
    check(lock.owns_lock(), "the lock is held again");
    lock.unlock();
    setter.join();
  });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_TRUE(report.exhausted);
}

TEST(LabCondition, ANotificationBeforeTheWaitIsLost) {
  const FoundFailure failure = failure_of(explore_all([] {
    mutex m("m");
    condition changed("changed");
    lab::thread notifier([&] { changed.notify_one(); });
    m.lock();
    changed.wait(m);
    m.unlock();
    notifier.join();
  }));
  EXPECT_EQ(failure.kind, FailureKind::deadlock);
  EXPECT_EQ(failure.message, "nothing can move: main waits to be woken by condition changed");
}

TEST(LabCondition, WhoIsNotifiedWaitsForTheMutex) {
  const FoundFailure failure = failure_of(explore_threads({.strategy = random()}, [] {
    mutex m("m");
    condition changed;
    bool waits = false;
    lab::thread waiter([&] {
      m.lock();
      waits = true;
      changed.wait(m);
      m.unlock();
    });
    name(waiter, "waiter");
    m.lock();
    while (!waits) {
      m.unlock();
      m.lock();
    }
    changed.notify_all();
    waiter.join();  // and m is not given back
  }));
  EXPECT_EQ(failure.kind, FailureKind::deadlock);
  EXPECT_EQ(
      failure.message,
      "nothing can move: in a cycle main holds mutex m and waits to join waiter, waiter waits to lock mutex m");
}

/// Three wait one after the other, main notifies: in what order they go on.
std::set<std::string> orders_of_waking(bool all) {
  std::set<std::string> orders;
  const Report report = explore_threads({.strategy = random(), .max_runs = 400}, [&] {
    mutex m;
    condition c;
    std::string waiting;
    std::string order;
    std::vector<std::unique_ptr<lab::thread>> threads;
    for (const char letter : {'a', 'b', 'c'}) {
      threads.push_back(std::make_unique<lab::thread>([&, letter] {
        const std::scoped_lock lock(m);
        waiting += letter;
        c.wait(m);
        order += letter;
      }));
    }
    for (bool done = false; !done;) {
      const std::scoped_lock lock(m);
      done = waiting.size() == 3;
    }
    if (all) {
      c.notify_all();
    } else {
      for (std::size_t i = 1; i <= 3; ++i) {
        c.notify_one();
        while (order.size() < i) const std::scoped_lock lock(m);
      }
    }
    for (const auto& thread : threads) thread->join();
    check(order.size() == 3, "all went on");
    if (!all) check(order == waiting, "first come, first woken");
    // How the order of going on differs from that of waiting.
    std::string difference;
    for (const char letter : order) difference += std::to_string(waiting.find(letter));
    orders.insert(difference);
  });
  EXPECT_FALSE(report.failed()) << report.text();
  return orders;
}

TEST(LabCondition, NotifyOneWakesWhoWaitsLongest) {
  EXPECT_EQ(orders_of_waking(false), std::set<std::string>{"012"});
}

TEST(LabCondition, NotifyAllWakesAllInAnyOrder) { EXPECT_EQ(orders_of_waking(true).size(), 6u); }

TEST(LabCondition, WaitingWithAMutexThatIsNotHeldIsMisuse) {
  const FoundFailure failure = failure_of(explore_all([] {
    mutex m("m");
    condition().wait(m);
  }));
  EXPECT_EQ(failure.kind, FailureKind::misuse);
  EXPECT_EQ(failure.message, "main waits with mutex m, which nobody holds");
}

// ---- threads ----

TEST(LabThread, TakesArgumentsAndMoves) {
  int result = 0;
  const Report report = explore_threads({.max_runs = 20}, [&] {
    result = 0;
    auto product = [&](std::unique_ptr<int> a, int b, int& c) { result = *a * b + ++c; };
    int one = 1;
    lab::thread thread(product, std::make_unique<int>(6), 7, std::ref(one));
    check(thread.joinable(), "runs");
    lab::thread moved(std::move(thread));
    lab::thread assigned;
    check(!assigned.joinable(), "none");
    assigned = std::move(moved);
    assigned.join();
    check(!assigned.joinable(), "joined");
    check(one == 2, "by reference");
  });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_EQ(result, 44);
}

TEST(LabThread, ThreadsMakeThreads) {
  std::set<int> sums;
  const Report report = explore_all([&] {
    lab::atomic<int> sum(0);
    lab::thread outer([&] {
      lab::thread inner([&] { sum.fetch_add(1); });
      sum.fetch_add(10);
      inner.join();
    });
    sums.insert(sum.load());
    outer.join();
    check(sum.load() == 11, "both counted");
  });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_EQ(sums, (std::set<int>{0, 1, 10, 11}));
}

TEST(LabThread, OneThatIsNotJoinedIsMisuse) {
  FoundFailure failure = failure_of(explore_all([] { const lab::thread thread([] {}); }));
  EXPECT_EQ(failure.kind, FailureKind::misuse);
  EXPECT_EQ(failure.message, "thread t0 is destroyed or assigned to while it is joinable");
  failure = failure_of(explore_all([] {
    lab::thread a([] {});
    a = lab::thread([] {});
    a.join();
  }));
  EXPECT_EQ(failure.kind, FailureKind::misuse);
  failure = failure_of(explore_all([] { lab::thread().join(); }));
  EXPECT_EQ(failure.kind, FailureKind::misuse);
}

TEST(LabThread, OneThatIsNotJoinedIsUnwoundBeforeWhatItRefersToIsGone) {
  std::optional<bool> was_alive;
  const FoundFailure failure = failure_of(explore_threads({.strategy = random()}, [&] {
    bool alive = true;
    struct Ends {
      bool& alive;
      ~Ends() { alive = false; }
    } ends{alive};
    lab::atomic<bool> begun(false);
    const lab::thread thread([&] {
      struct Looks {
        bool& alive;
        std::optional<bool>& was_alive;
        ~Looks() { was_alive = alive; }
      } looks{alive, was_alive};
      begun.store(true);
      while (begun.load()) {}
    });
    while (!begun.load()) {}
  }));
  EXPECT_EQ(failure.kind, FailureKind::misuse);
  EXPECT_EQ(was_alive, true);
}

TEST(LabThread, AnExceptionSaysMoreThanTheThreadsThatItLeaves) {
  FoundFailure failure = failure_of(explore_all([] {
    const lab::thread thread([] {});
    throw std::runtime_error("boom");
  }));
  EXPECT_EQ(failure.kind, FailureKind::exception);
  EXPECT_EQ(failure.message, "main ended by an exception: boom");
  failure = failure_of(explore_all([] {
    try {
      const lab::thread thread([] {});
      throw std::runtime_error("boom");
    } catch (const std::runtime_error&) {}
  }));
  EXPECT_EQ(failure.kind, FailureKind::misuse);
}

TEST(LabThread, AnExceptionOfAThreadIsAFailure) {
  const FoundFailure failure = failure_of(explore_all([] {
    lab::thread a([] { throw std::out_of_range("far"); });
    name(a, "reader");
    a.join();
  }));
  EXPECT_EQ(failure.kind, FailureKind::exception);
  EXPECT_EQ(failure.message, "reader ended by an exception: far");
}

TEST(LabThread, AFailedRunDestroysWhatIsOnItsStacks) {
  auto counted = std::make_shared<int>(0);
  const Report report = explore_threads({.max_runs = 50, .stop_at_first_failure = false}, [&] {
    mutex m;
    lab::atomic<int> x(0);
    std::vector<std::shared_ptr<int>> on_main_stack(3, counted);
    lab::thread a([&, kept = counted] {
      const auto on_stack = counted;
      const std::scoped_lock lock(m);
      x.fetch_add(1);
    });
    lab::thread b([&, kept = counted] {
      const auto on_stack = counted;
      const std::scoped_lock lock(m);
      x.fetch_add(1);
      check(x.load() == 1, "first");
    });
    a.join();
    b.join();
  });
  EXPECT_GT(report.failures, 5u);
  EXPECT_LT(report.failures, 50u);
  EXPECT_EQ(counted.use_count(), 1);
}

TEST(LabThread, AFailureWhileADestructorWaitsIsReported) {
  // The destructor is noexcept: the thread cannot be unwound, and the process goes on all the same.
  const FoundFailure failure = failure_of(explore_all([] {
    struct Joins {
      lab::thread thread;
      ~Joins() { thread.join(); }
    };
    const Joins joins{lab::thread([] { check(false, "found"); })};
  }));
  EXPECT_EQ(failure.message, "found");
}

// ---- lifetimes ----

TEST(LabLifetime, DestroyingWhatAnotherUsesIsMisuse) {
  /// Destroyed by main in all sorts of moments; the thread that uses it is unwound before it is gone.
  const auto outlived = [](const std::function<void(lab::atomic<int>&, mutex&, condition&)>& use) {
    return failure_of(explore_threads({.strategy = random()}, [&] {
      std::optional<lab::thread> user;
      lab::atomic<bool> begun(false);
      {
        mutex m("m");
        condition c("c");
        lab::atomic<int> x(0, "x");
        user.emplace([&] {
          begun.store(true);
          use(x, m, c);
        });
        name(*user, "user");
        m.lock();
        while (!begun.load()) {}
        m.unlock();
      }
      user->join();
    }));
  };
  FoundFailure failure = outlived([](auto& x, auto&, auto&) { x.load(); });
  EXPECT_EQ(failure.kind, FailureKind::misuse);
  EXPECT_EQ(failure.message, "atomic x is destroyed while user uses it or waits for it");
  failure = outlived([](auto&, auto& m, auto&) { const std::scoped_lock lock(m); });
  EXPECT_EQ(failure.message, "mutex m is destroyed while user uses it or waits for it");
  failure = outlived([](auto& x, auto&, auto&) { x.wait(0); });
  EXPECT_EQ(failure.message, "atomic x is destroyed while user uses it or waits for it");
  failure = outlived([](auto&, auto& m, auto& c) {
    std::unique_lock lock(m);
    c.wait(lock);
  });
  EXPECT_THAT(failure.message,
              ContainsRegex("(condition c|mutex m) is destroyed while user uses it or waits for it"));
}

TEST(LabLifetime, AnAbortInTheMiddleOfAWaitInADestructor) {
  // Destructors that lock and join while the run is given up: nothing is used after it is gone, and all ends.
  const Report report = explore_threads({.max_runs = 300, .stop_at_first_failure = false}, [] {
    mutex m;
    lab::atomic<int> x(0);
    struct Locks {
      mutex& m;
      ~Locks() { const std::scoped_lock lock(m); }
    };
    lab::thread a([&] {
      const Locks locks{m};
      const std::scoped_lock lock(m);
      x.fetch_add(1);
      x.fetch_add(1);
    });
    lab::thread b([&] {
      const Locks locks{m};
      x.load();
      check(x.load() == 0, "first");
      x.load();
    });
    a.join();
    b.join();
  });
  EXPECT_GT(report.failures, 20u);
  EXPECT_LT(report.failures, 300u);
  EXPECT_EQ(failure_of(report).message, "first");
}

// ---- atomic ----

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

// ---- explorations ----

TEST(LabExploreThreads, TheExampleOfTheManual) {
  const Report report = explore_threads({.strategy = exhaustive(), .max_runs = 100'000}, [] {
    mutex m;
    lab::atomic<int> x{0};
    shared<int> y{0};
    lab::thread a([&] {
      const std::scoped_lock l(m);
      y.write(y.read() + 1);
    });
    lab::thread b([&] { x.fetch_add(1); });
    a.join();
    b.join();
    check(x.load() == 1, "x counted");
  });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_TRUE(report.exhausted);
  EXPECT_EQ(report.failures, 0u);
  EXPECT_GT(report.runs, 20u);
  EXPECT_EQ(report.failure(), nullptr);
}

void lose_an_update() {
  lab::atomic<int> x(0, "x");
  const auto add = [&] { x.store(x.load() + 1); };
  lab::thread a(add);
  lab::thread b(add);
  name(a, "a");
  name(b, "b");
  a.join();
  b.join();
  check(x.load() == 2, "an update was lost");
}

TEST(LabExploreThreads, AFailureComesWithItsScheduleAndAToken) {
  for (const StrategySpec strategy : {random(), pct(3), exhaustive()}) {
    const Report report =
        explore_threads({.strategy = strategy, .seed = 3, .max_runs = 10'000}, lose_an_update);
    const FoundFailure failure = failure_of(report);
    EXPECT_EQ(failure.kind, FailureKind::assertion);
    EXPECT_EQ(failure.message, "an update was lost");
    EXPECT_EQ(failure.run + 1, report.runs);
    EXPECT_EQ(report.failures, 1u);
    EXPECT_FALSE(report.exhausted);
    EXPECT_THAT(failure.schedule, ContainsRegex("step +who +does +at"));
    EXPECT_THAT(failure.schedule, ContainsRegex("[0-9]+ +a +load atomic x +threads_test.cpp:[0-9]+\n"));
    EXPECT_THAT(failure.schedule, ContainsRegex("[0-9]+ +main +join b +threads_test.cpp:[0-9]+\n"));
    EXPECT_THAT(failure.schedule, ContainsRegex("then: assertion at threads_test.cpp:[0-9]+\n$"));
    EXPECT_THAT(report.text(), HasSubstr(failure.schedule));
    EXPECT_THAT(report.text(), HasSubstr("token " + failure.token));

    const Report replayed = replay_threads(failure.token, lose_an_update);
    EXPECT_EQ(replayed.runs, 1u);
    EXPECT_EQ(failure_of(replayed).message, failure.message);
    EXPECT_EQ(failure_of(replayed).schedule, failure.schedule);
    EXPECT_EQ(failure_of(replayed).step, failure.step);
    EXPECT_EQ(failure_of(replayed).token, failure.token);
  }
}

TEST(LabExploreThreads, ATokenThatDoesNotFitIsADivergence) {
  const std::string token =
      failure_of(explore_threads({.strategy = exhaustive(), .max_runs = 10'000}, lose_an_update)).token;
  FoundFailure failure = failure_of(replay_threads(token, [] {}));
  EXPECT_EQ(failure.kind, FailureKind::divergence);
  EXPECT_THAT(failure.message, HasSubstr("the body is not the one it was made by"));
  failure = failure_of(replay_threads(make_token(std::vector<std::uint32_t>{7}), lose_an_update));
  EXPECT_EQ(failure.kind, FailureKind::divergence);
  failure = failure_of(replay_threads("what?", lose_an_update));
  EXPECT_EQ(failure.kind, FailureKind::divergence);
  EXPECT_EQ(failure.message, "the token is cut off, or not a token");
  // One that a repaired body can follow to its end says that all is well.
  EXPECT_FALSE(replay_threads(make_token({}), lose_an_update).failed());
}

TEST(LabExploreThreads, AllFailuresAreCountedOnRequest) {
  const Report all = explore_threads(
      {.strategy = exhaustive(), .max_runs = 100'000, .stop_at_first_failure = false}, lose_an_update);
  EXPECT_TRUE(all.exhausted);
  EXPECT_GT(all.failures, 10u);
  EXPECT_LT(all.failures, all.runs);
  EXPECT_EQ(failure_of(all).message, "an update was lost");
}

TEST(LabExploreThreads, TheSameSeedGivesTheSameExploration) {
  std::set<std::string> tokens;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Options options{.strategy = random(), .seed = seed, .max_runs = 1'000};
    const Report first = explore_threads(options, lose_an_update);
    const Report second = explore_threads(options, lose_an_update);
    EXPECT_EQ(first.runs, second.runs);
    EXPECT_EQ(first.steps, second.steps);
    EXPECT_EQ(failure_of(first).token, failure_of(second).token);
    tokens.insert(failure_of(first).token);
  }
  EXPECT_GT(tokens.size(), 3u);
}

TEST(LabExploreThreads, RunsWithoutEndAreLivelocks) {
  const Report report = explore_threads({.max_runs = 10, .step_limit = 1'000}, [] {
    lab::atomic<bool> go(false, "go");
    lab::thread a([&] {
      while (!go.load()) {}
    });
    name(a, "spinner");
    a.join();
  });
  const FoundFailure failure = failure_of(report);
  EXPECT_EQ(failure.kind, FailureKind::livelock);
  EXPECT_EQ(failure.message, "no end after 1000 steps; able to move: spinner (load atomic go)");
  EXPECT_THAT(failure.schedule, HasSubstr("750 steps\n"));
  EXPECT_EQ(report.max_depth, 1'000u);
}

TEST(LabExploreThreads, ABodyThatIsNotDeterministicIsFound) {
  int calls = 0;
  const Report report = explore_threads({.max_runs = 1'000}, [&] {
    lab::atomic<int> x(0);
    for (int i = 0; i < calls; ++i) x.load();
    ++calls;
  });
  EXPECT_EQ(failure_of(report).kind, FailureKind::nondeterminism);
  EXPECT_LE(report.runs, 64u);
  // And so is a failure that comes only once.
  calls = 0;
  const Report once = explore_threads({.max_runs = 1'000}, [&] { check(++calls != 3, "the third"); });
  EXPECT_EQ(failure_of(once).kind, FailureKind::nondeterminism);
  EXPECT_THAT(failure_of(once).message,
              HasSubstr("one failed at step 0 (assertion: the third), the other ended well after 1 steps"));
}

TEST(LabExploreThreads, ObjectsFromOutsideOfTheRunAreMisuse) {
  lab::atomic<int> x(0);
  EXPECT_EQ(failure_of(explore_threads({.max_runs = 1}, [&] { x.load(); })).kind, FailureKind::misuse);
  mutex m;
  EXPECT_EQ(failure_of(explore_threads({.max_runs = 1}, [&] { m.lock(); })).kind, FailureKind::misuse);
  EXPECT_EQ(failure_of(explore_threads({.max_runs = 1}, [&] { m.unlock(); })).kind, FailureKind::misuse);
  condition c;
  EXPECT_EQ(failure_of(explore_threads({.max_runs = 1}, [&] { c.notify_one(); })).kind, FailureKind::misuse);
  shared<int> y(0);
  const FoundFailure failure = failure_of(explore_threads({.max_runs = 1}, [&] { y.read(); }));
  EXPECT_EQ(failure.kind, FailureKind::misuse);
  EXPECT_EQ(failure.message,
            "a lab::shared that was not made in this run is used in it; make it in the body, so that every run "
            "begins alike");
  // Made in an earlier run.
  std::unique_ptr<lab::atomic<int>> kept;
  const Report report = explore_threads({.max_runs = 2}, [&] {
    if (!kept) kept = std::make_unique<lab::atomic<int>>(0);
    kept->load();
  });
  EXPECT_EQ(failure_of(report).kind, FailureKind::misuse);
  EXPECT_EQ(report.runs, 2u);
}

TEST(LabExploreThreads, TheFailureIsFoundInAnotherThreadsWaits) {
  // Aborted at every kind of point: the process survives, and the next exploration is none the worse.
  for (int i = 0; i < 3; ++i) {
    const Report report = explore_threads({.max_runs = 300, .stop_at_first_failure = false}, [] {
      mutex m;
      condition c;
      lab::atomic<int> x(0);
      shared<int> y(0);
      lab::thread a([&] {
        std::unique_lock lock(m);
        while (x.load() == 0) c.wait(lock);
        y.write(1);
      });
      lab::thread b([&] { x.wait(0); });
      lab::thread failing([&] {
        x.store(1);
        x.notify_all();
        check(false, "stop");
      });
      a.join();
      b.join();
      failing.join();
    });
    EXPECT_EQ(report.failures, 300u);
    EXPECT_EQ(failure_of(report).message, "stop");
  }
}

TEST(LabExploreThreads, ProgressIsTold) {
  std::uint64_t runs_told = 0;
  bool told = false;
  const Report report = explore_threads({.strategy = random(),
                                         .max_runs = 1'000'000'000,
                                         .on_progress =
                                             [&](const Report& so_far) {
                                               told = true;
                                               runs_told = so_far.runs;
                                             }},
                                        [&] { check(!told, "enough"); });
  EXPECT_EQ(failure_of(report).message, "enough");
  EXPECT_GT(runs_told, 0u);
  EXPECT_EQ(report.runs, runs_told + 1);
  EXPECT_GT(report.runs_per_second(), 0);
}

TEST(LabExploreThreads, TheTextOfAReportWithoutFailure) {
  Report report = explore_threads({.max_runs = 5}, [] {});
  EXPECT_EQ(report.runs, 5u);
  EXPECT_EQ(report.steps, 5u);
  EXPECT_THAT(report.text(), HasSubstr("5 runs, 5 steps"));
  EXPECT_THAT(report.text(), HasSubstr("no failure\n"));
  EXPECT_THAT(report.text(), Not(HasSubstr("every schedule")));
  report = explore_all([] {});
  EXPECT_THAT(report.text(), HasSubstr("every schedule seen, no failure\n"));
}

TEST(LabExploreThreads, LocksByStandardGuardsShowTheirCaller) {
  const FoundFailure failure = failure_of(explore_all([] {
    mutex m("m");
    const std::scoped_lock lock(m);
    check(false, "stop");
  }));
#ifdef NDEBUG  // without debug information nobody knows the line
  EXPECT_THAT(failure.schedule, HasSubstr("lock mutex m"));
#else
  EXPECT_THAT(failure.schedule, ContainsRegex("main +lock mutex m +threads_test.cpp:[0-9]+\n"));
#endif
}

// ---- tokens ----

RC_GTEST_PROP(LabToken, RoundTrips, (const std::vector<std::uint32_t>& choices)) {
  const auto token = make_token(choices);
  RC_ASSERT(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
            token.npos);
  const auto parsed = parse_token(token);
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(*parsed == choices);
  RC_ASSERT(parse_token(" " + token + "\n").value() == choices);
}

TEST(LabToken, RepetitionsAreShort) {
  const std::vector<std::uint32_t> choices(100'000, 3);
  const std::string token = make_token(choices);
  EXPECT_LT(token.size(), 20u);
  EXPECT_EQ(parse_token(token).value(), choices);
  EXPECT_EQ(parse_token(make_token(std::vector<std::uint32_t>{~0U, ~0U, 0})).value(),
            (std::vector<std::uint32_t>{~0U, ~0U, 0}));
}

TEST(LabToken, EveryMistypedCharacterIsNoticed) {
  const std::string token = make_token(std::vector<std::uint32_t>{0, 1, 1, 2, 0, 300, 1});
  for (std::size_t i = 0; i < token.size(); ++i) {
    for (const char letter : std::string_view("AZaz09-_")) {
      if (letter == token[i]) continue;
      std::string wrong = token;
      wrong[i] = letter;
      EXPECT_FALSE(parse_token(wrong).has_value()) << wrong;
    }
    EXPECT_FALSE(parse_token(token.substr(0, i)).has_value());
  }
}

TEST(LabToken, ErrorsAreToldApart) {
  const std::string token = make_token(std::vector<std::uint32_t>{1, 0, 1});
  EXPECT_EQ(parse_token("").error(), TokenError::Unreadable);
  EXPECT_EQ(parse_token("two words").error(), TokenError::Unreadable);
  EXPECT_EQ(parse_token(token + "+").error(), TokenError::Unreadable);
  std::string other_version = token;
  other_version[0] = 'B';
  EXPECT_EQ(parse_token(other_version).error(), TokenError::WrongVersion);
  std::string mistyped = token;
  mistyped[3] = mistyped[3] == 'A' ? 'B' : 'A';
  EXPECT_EQ(parse_token(mistyped).error(), TokenError::WrongChecksum);
  EXPECT_NE(to_string(TokenError::WrongVersion), to_string(TokenError::WrongChecksum));
  // Of version 1 and with the right checksum: the choice 0, 2^40 times; a choice of 2^32; a repetition without
  // its count.
  for (const char* token_without_sense : {"AQGAgICAgCAxZSis", "AYCAgIAgrNf5xw", "AQEoE8Uv"})
    EXPECT_EQ(parse_token(token_without_sense).error(), TokenError::Unreadable) << token_without_sense;
}

// ---- outside of a run ----

TEST(LabInProduction, PrimitivesAreTheStandardOnes) {
  mutex m;
  condition changed;
  lab::atomic<int> x(0);
  shared<int> y(0);
  bool ready = false;
  constexpr int rounds = 2'000;
  std::vector<lab::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      std::unique_lock lock(m);
      changed.wait(lock, [&] { return ready; });
      lock.unlock();
      for (int n = 0; n < rounds; ++n) {
        x.fetch_add(1, std::memory_order_relaxed);
        const std::scoped_lock inner(m);
        y.update([](int& value) { ++value; });
      }
    });
    EXPECT_TRUE(threads.back().joinable());
  }
  name(m, "m");
  name(threads.front(), "first");
  {
    const std::scoped_lock lock(m);
    ready = true;
  }
  changed.notify_all();
  for (lab::thread& thread : threads) thread.join();
  EXPECT_EQ(x.load(), 4 * rounds);
  EXPECT_EQ(y.read(), 4 * rounds);
  EXPECT_TRUE(m.try_lock());
  std::thread([&] { EXPECT_FALSE(m.try_lock()); }).join();
  m.unlock();
}

TEST(LabInProduction, WaitingWorksByConditionAndByAtomic) {
  mutex m;
  condition changed;
  lab::atomic<int> x(0);
  int turn = 0;
  lab::thread other([&] {
    for (int i = 0; i < 200; ++i) {
      m.lock();
      while (turn % 2 == 0) changed.wait(m);
      ++turn;
      changed.notify_one();
      m.unlock();
    }
    x.store(1);
    x.notify_all();
  });
  for (int i = 0; i < 200; ++i) {
    std::unique_lock lock(m);
    changed.wait(lock, [&] { return turn % 2 == 0; });
    ++turn;
    lock.unlock();
    changed.notify_one();
  }
  x.wait(0);
  EXPECT_EQ(turn, 400);
  other.join();
  EXPECT_FALSE(other.joinable());
}

TEST(LabInProductionDeathTest, AFailedCheckAborts) {
  EXPECT_DEATH(check(1 > 2, "order of numbers"), "order of numbers");
}

TEST(LabInProduction, LabAndProductionRunSideBySide) {
  // A run belongs to its OS thread; other threads of the process are in production meanwhile.
  lab::atomic<int> outside(0);
  std::vector<std::thread> explorers;
  for (int i = 0; i < 3; ++i) {
    explorers.emplace_back([&, i] {
      const Report report =
          explore_threads({.seed = static_cast<std::uint64_t>(i), .max_runs = 100}, lose_an_update);
      EXPECT_TRUE(report.failed());
      outside.fetch_add(1);
    });
  }
  for (std::thread& explorer : explorers) explorer.join();
  EXPECT_EQ(outside.load(), 3);
}

}  // namespace
}  // namespace quiesce::lab
