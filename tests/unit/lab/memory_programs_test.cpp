// The weak memory model: what orders plain data and what does not, and algorithms that are right with some orders only.
#include <gtest/gtest.h>

#include <memory>

#include "memory_support.hpp"

namespace quiesce::lab {
namespace {

using namespace memory_tests;  // NOLINT: tests

// ---- plain data ----

/// Publishes a value by a flag.
Report publish(memory_order store, memory_order load, memory_order before = rlx, memory_order after = rlx) {
  return explore_threads({.strategy = dpor(), .memory = weak}, [=] {
    lab::shared<int> value(0, "value");
    lab::atomic<bool> ready(false, "ready");
    run_all({[&] {
               value.write(42);
               lab::atomic_thread_fence(before);
               ready.store(true, store);
             },
             [&] {
               if (!ready.load(load)) return;
               lab::atomic_thread_fence(after);
               check(value.read() == 42, "the value is published");
             }});
  });
}

TEST(WeakMemory, ARelaxedStoreDoesNotPublish) {
  EXPECT_EQ(failure_of(publish(rlx, acq)).kind, FailureKind::data_race);
  EXPECT_EQ(failure_of(publish(rel, rlx)).kind, FailureKind::data_race);
  EXPECT_FALSE(publish(rel, acq).failed());
  EXPECT_FALSE(publish(seq, seq).failed());
  EXPECT_FALSE(publish(rlx, rlx, rel, acq).failed());
  EXPECT_EQ(failure_of(publish(rlx, rlx, rel, rlx)).kind, FailureKind::data_race);
}

TEST(WeakMemory, MutexesAndJoinsOrderAsEver) {
  const Report report = explore_threads({.strategy = dpor(), .memory = weak}, [] {
    lab::mutex m;
    lab::shared<int> value(0);
    lab::atomic<int> count(0);
    const auto work = [&] {
      const std::scoped_lock lock(m);
      value.write(value.read() + 1);
      count.store(count.load(rlx) + 1, rlx);
    };
    run_all({work, work});
    check(value.read() == 2 && count.load(rlx) == 2, "both have counted");
  });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_TRUE(report.exhausted);
}

TEST(WeakMemory, AnAtomicThatIsNotPublishedIsARace) {
  const auto hand_over = [](memory_order store) {
    return explore_threads({.strategy = dpor(), .memory = weak}, [=] {
      lab::atomic<lab::atomic<int>*> place(nullptr, "place");
      std::unique_ptr<lab::atomic<int>> made;
      run_all({[&] {
                 made = std::make_unique<lab::atomic<int>>(7, "made");
                 place.store(made.get(), store);
               },
               [&] {
                 if (auto* found = place.load(acq)) check(found->load(rlx) == 7, "it has its value");
               }});
    });
  };
  EXPECT_FALSE(hand_over(rel).failed());
  const FoundFailure failure = failure_of(hand_over(rlx));
  EXPECT_EQ(failure.kind, FailureKind::data_race);
  EXPECT_EQ(failure.message, "t1 uses atomic made, and nothing orders that behind its making");
}

// ---- algorithms ----

struct MutualExclusion {
  lab::atomic<int> wants[2] = {0, 0};
  lab::atomic<int> turn{0};
  lab::shared<int> inside{0};

  void work() { inside.write(inside.read() + 1); }
  /// Peterson, 1981. Whoever finds no way in goes home.
  void peterson(int me, memory_order store, memory_order load) {
    const int other = 1 - me;
    wants[me].store(1, store);
    turn.store(other, store);
    if (wants[other].load(load) == 1 && turn.load(load) == other) return;
    work();
    wants[me].store(0, store);
  }
  void dekker(int me, memory_order store, memory_order load, memory_order fence = rlx) {
    wants[me].store(1, store);
    lab::atomic_thread_fence(fence);
    if (wants[1 - me].load(load) == 1) return;
    lab::atomic_thread_fence(fence == rlx ? rlx : acq);
    work();
  }
};

template <class Enter>
Report enter_twice(Enter enter) {
  return explore_threads({.strategy = dpor(), .max_runs = 1'000'000, .memory = weak}, [=] {
    MutualExclusion lock;
    run_all({[&] { enter(lock, 0); }, [&] { enter(lock, 1); }});
  });
}

TEST(WeakMemory, PetersonsLock) {
  const auto peterson = [](memory_order store, memory_order load) {
    return enter_twice([=](MutualExclusion& lock, int me) { lock.peterson(me, store, load); });
  };
  EXPECT_EQ(failure_of(peterson(rlx, rlx)).kind, FailureKind::data_race);
  EXPECT_EQ(failure_of(peterson(rel, acq)).kind, FailureKind::data_race);
  expect_right(peterson(seq, seq));
}

TEST(WeakMemory, DekkersWayIn) {
  const auto dekker = [](memory_order store, memory_order load, memory_order fence = rlx) {
    return enter_twice([=](MutualExclusion& lock, int me) { lock.dekker(me, store, load, fence); });
  };
  EXPECT_EQ(failure_of(dekker(rlx, rlx)).kind, FailureKind::data_race);
  EXPECT_EQ(failure_of(dekker(rel, acq)).kind, FailureKind::data_race);
  EXPECT_EQ(failure_of(dekker(rlx, rlx, acq_rel)).kind, FailureKind::data_race);
  expect_right(dekker(seq, seq));
  expect_right(dekker(rlx, rlx, seq));
}

TEST(WeakMemory, DoubleCheckedLocking) {
  const auto once = [](memory_order load, memory_order store) {
    return explore_threads({.strategy = dpor(), .memory = weak}, [=] {
      lab::mutex m;
      lab::shared<int> value(0);
      lab::atomic<bool> made(false);
      const auto get = [&] {
        if (!made.load(load)) {
          const std::scoped_lock lock(m);
          if (!made.load(rlx)) {
            value.write(7);
            made.store(true, store);
          }
        }
        check(value.read() == 7, "it was made");
      };
      run_all({get, get});
    });
  };
  expect_right(once(acq, rel));
  EXPECT_EQ(failure_of(once(rlx, rel)).kind, FailureKind::data_race);
  EXPECT_EQ(failure_of(once(acq, rlx)).kind, FailureKind::data_race);
}

TEST(WeakMemory, WaitReturnsWithAnotherValue) {
  expect_right(explore_threads({.strategy = dpor(), .memory = weak}, [] {
    lab::atomic<int> x(0);
    lab::shared<int> value(0);
    run_all({[&] {
               value.write(1);
               x.store(1, rel);
               x.notify_one();
             },
             [&] {
               x.wait(0, acq);
               check(value.read() == 1 && x.load(rlx) == 1, "what was released is known");
             }});
  }));
  const Report relaxed = explore_threads({.strategy = dpor(), .memory = weak}, [] {
    lab::atomic<int> x(0);
    lab::shared<int> value(0);
    run_all({[&] {
               value.write(1);
               x.store(1, rlx);
               x.notify_one();
             },
             [&] {
               x.wait(0, acq);
               value.read();
             }});
  });
  EXPECT_EQ(failure_of(relaxed).kind, FailureKind::data_race) << "a notification orders nothing";
}

TEST(WeakMemory, ASpinEndsWhenAnotherValueIsThere) {
  for (const Memory memory : {sc, weak}) {
    const Report report = explore_threads({.strategy = exhaustive(), .memory = memory}, [] {
      lab::atomic<int> x(0);
      run_all({[&] { x.store(1, rel); },
               [&] {
                 while (x.load(acq) == 0) x.spin(0);
               }});
    });
    expect_right(report);
    EXPECT_LT(report.runs, 40u) << "a spin is a wait";
  }
  const Report stuck = explore_threads({.memory = weak}, [] {
    lab::atomic<int> x(0, "x");
    while (x.load(acq) == 0) x.spin(0);
  });
  EXPECT_EQ(failure_of(stuck).message, "nothing can move: main waits to spin on atomic x");
}

TEST(WeakMemory, SpinsAreExploredOnceAClass) {
  const auto body = [] {
    lab::atomic<int> x(0);
    const auto spin = [&] {
      while (x.load() == 0) x.spin(0);
    };
    run_all({[&] {
               for (const int value : {1, 0, 2})
                 x.store(value);  // one that comes too late has to go on waiting
             },
             spin, spin});
  };
  const Report all = explore_threads({.strategy = exhaustive(), .max_runs = 1'000'000}, body);
  const Report found = explore_threads({.strategy = dpor()}, body);
  expect_right(all);
  expect_right(found);
  EXPECT_EQ(found.classes, all.classes);
  EXPECT_EQ(found.runs, found.classes);
  EXPECT_EQ(found.blocked_runs, 0u);
}

}  // namespace
}  // namespace quiesce::lab
