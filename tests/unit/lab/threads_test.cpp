// Threads, mutexes and conditions in the lab, and what they are outside of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "explore_support.hpp"

namespace quiesce::lab {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using tests::explore_all;
using tests::failure_of;

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
  const FoundFailure failure = failure_of(explore_threads({.strategy = random(), .step_limit = 1'000}, [] {
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

TEST(LabCondition, TwoNotificationsWakeTwo) {
  const Report report = explore_threads({.strategy = random(), .max_runs = 200}, [] {
    mutex m;
    condition c;
    int waiting = 0;
    const auto wait = [&] {
      const std::scoped_lock lock(m);
      ++waiting;
      c.wait(m);
    };
    lab::thread a(wait);
    lab::thread b(wait);
    for (bool both = false; !both;) {
      const std::scoped_lock lock(m);
      both = waiting == 2;
    }
    c.notify_one();
    c.notify_one();
    a.join();
    b.join();
  });
  EXPECT_FALSE(report.failed()) << report.text();
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
  const FoundFailure failure = failure_of(explore_threads({.strategy = random(), .step_limit = 1'000}, [&] {
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
    return failure_of(explore_threads({.strategy = random(), .step_limit = 1'000}, [&] {
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

}  // namespace
}  // namespace quiesce::lab
