// The weak memory model: litmus tests, each with exactly the outcomes that RC11 allows it (of executions in which the order of the
// seq_cst operations goes with reading-from, see detail/lab/memory.hpp).
//
// Names and shapes as in Alglave, Maranget, Tautschnig: Herding cats, TOPLAS 2014; what C11 says of them as in Lahav et al., PLDI 2017.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "memory_support.hpp"

namespace quiesce::lab {
namespace {

using namespace memory_tests;  // NOLINT: tests

// ---- store buffering ----

TEST(WeakMemory, StoreBuffering) {
  EXPECT_EQ(outcomes([] { return store_buffering(rlx, rlx); }), all_of_two());
  EXPECT_EQ(outcomes([] { return store_buffering(rel, acq); }), all_of_two());
  EXPECT_EQ(outcomes([] { return store_buffering(seq, acq); }), all_of_two());
  EXPECT_EQ(outcomes([] { return store_buffering(rel, seq); }), all_of_two());
  EXPECT_EQ(outcomes([] { return store_buffering(seq, seq); }), all_but(all_of_two(), "00"));
}

TEST(WeakMemory, StoreBufferingWithFences) {
  EXPECT_EQ(outcomes([] { return store_buffering(rlx, rlx, seq); }), all_but(all_of_two(), "00"));
  EXPECT_EQ(outcomes([] { return store_buffering(rlx, rlx, acq_rel); }), all_of_two());
}

TEST(WeakMemory, StoreBufferingWithOneFenceOnly) {
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0), y(0);
              int a = 0, b = 0;
              run_all({[&] {
                         x.store(1, rlx);
                         lab::atomic_thread_fence(seq);
                         a = y.load(rlx);
                       },
                       [&] {
                         y.store(1, rlx);
                         b = x.load(rlx);
                       }});
              return digits({a, b});
            }),
            all_of_two());
}

TEST(WeakMemory, AFenceAndSeqCstAccessesOrderEachOther) {
  // The fence's agent against an agent whose accesses are seq_cst themselves.
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0), y(0);
              int a = 0, b = 0;
              run_all({[&] {
                         x.store(1, rlx);
                         lab::atomic_thread_fence(seq);
                         a = y.load(rlx);
                       },
                       [&] {
                         y.store(1, seq);
                         b = x.load(seq);
                       }});
              return digits({a, b});
            }),
            all_but(all_of_two(), "00"));
}

TEST(WeakMemory, WithoutItTheOrdersDoNotCount) {
  EXPECT_EQ(outcomes([] { return store_buffering(rlx, rlx); }, sc), all_but(all_of_two(), "00"));
}

// ---- message passing ----

std::string message_passing(memory_order store, memory_order load, memory_order before = rlx,
                            memory_order after = rlx) {
  lab::atomic<int> x(0, "x"), y(0, "y");
  int a = 0, b = 0;
  run_all({[&] {
             x.store(1, rlx);
             lab::atomic_thread_fence(before);
             y.store(1, store);
           },
           [&] {
             a = y.load(load);
             lab::atomic_thread_fence(after);
             b = x.load(rlx);
           }});
  return digits({a, b});
}

TEST(WeakMemory, MessagePassing) {
  EXPECT_EQ(outcomes([] { return message_passing(rlx, rlx); }), all_of_two());
  EXPECT_EQ(outcomes([] { return message_passing(rel, rlx); }), all_of_two());
  EXPECT_EQ(outcomes([] { return message_passing(rlx, acq); }), all_of_two());
  EXPECT_EQ(outcomes([] { return message_passing(rel, acq); }), all_but(all_of_two(), "10"));
  EXPECT_EQ(outcomes([] { return message_passing(seq, seq); }), all_but(all_of_two(), "10"));
}

TEST(WeakMemory, MessagePassingWithFences) {
  EXPECT_EQ(outcomes([] { return message_passing(rlx, rlx, rel, acq); }), all_but(all_of_two(), "10"));
  EXPECT_EQ(outcomes([] { return message_passing(rlx, acq, rel, rlx); }), all_but(all_of_two(), "10"));
  EXPECT_EQ(outcomes([] { return message_passing(rel, rlx, rlx, acq); }), all_but(all_of_two(), "10"));
  EXPECT_EQ(outcomes([] { return message_passing(rlx, rlx, seq, seq); }), all_but(all_of_two(), "10"));
  EXPECT_EQ(outcomes([] { return message_passing(rlx, rlx, acq, rel); }), all_of_two());
  EXPECT_EQ(outcomes([] { return message_passing(rlx, rlx, rel, rlx); }), all_of_two());
}

TEST(WeakMemory, AReadModifyWriteMayReadWhatIsOld) {
  const auto by_exchange = [](memory_order store, memory_order load) {
    return [=] {
      lab::atomic<int> x(0), y(0);
      int a = 0, b = 0;
      run_all({[&] {
                 x.store(1, rlx);
                 y.store(1, store);
               },
               [&] {
                 a = y.load(load);
                 b = x.exchange(2, rlx);
               }});
      return digits({a, b, x.load()});
    };
  };
  // What it reads it stands behind: before the 1, or after.
  EXPECT_EQ(outcomes(by_exchange(rlx, rlx)), (Outcomes{"001", "012", "101", "112"}));
  EXPECT_EQ(outcomes(by_exchange(rel, acq)), (Outcomes{"001", "012", "112"}));
}

// ---- load buffering ----

TEST(WeakMemory, LoadBufferingIsNotShown) {
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0), y(0);
              int a = 0, b = 0;
              run_all({[&] {
                         a = y.load(rlx);
                         x.store(1, rlx);
                       },
                       [&] {
                         b = x.load(rlx);
                         y.store(1, rlx);
                       }});
              return digits({a, b});
            }),
            all_but(all_of_two(), "11"));
}

// ---- independent reads of independent writes ----

bool shows_iriw(memory_order store, memory_order load) {
  return outcomes_by(dpor(),
                     [=] {
                       lab::atomic<int> x(0), y(0);
                       int a = 0, b = 0, c = 0, d = 0;
                       run_all({[&] { x.store(1, store); }, [&] { y.store(1, store); },
                                [&] {
                                  a = x.load(load);
                                  b = y.load(load);
                                },
                                [&] {
                                  c = y.load(load);
                                  d = x.load(load);
                                }});
                       return digits({a, b, c, d});
                     })
      .contains("1010");
}

TEST(WeakMemory, IndependentReadsOfIndependentWrites) {
  EXPECT_TRUE(shows_iriw(rel, acq));
  EXPECT_TRUE(shows_iriw(seq, acq));
  EXPECT_FALSE(shows_iriw(seq, seq));
}

// ---- three threads ----

TEST(WeakMemory, WriteToReadCausality) {
  const auto causality = [](memory_order store, memory_order load) {
    return outcomes_by(dpor(), [=] {
      lab::atomic<int> x(0), y(0);
      int a = 0, b = 0, c = 0;
      run_all({[&] { x.store(1, store); },
               [&] {
                 a = x.load(load);
                 y.store(1, store);
               },
               [&] {
                 b = y.load(load);
                 c = x.load(rlx);
               }});
      return digits({a, b, c});
    });
  };
  const Outcomes all{"000", "001", "010", "011", "100", "101", "110", "111"};
  EXPECT_EQ(causality(rlx, rlx), all);
  EXPECT_EQ(causality(rel, acq), all_but(all, "110"));
}

TEST(WeakMemory, ReleasesAreCumulative) {  // ISA2
  const auto isa2 = [](memory_order store, memory_order load) {
    return outcomes_by(dpor(), [=] {
      lab::atomic<int> x(0), y(0), z(0);
      int a = 0, b = 0, c = 0;
      run_all({[&] {
                 x.store(1, rlx);
                 y.store(1, store);
               },
               [&] {
                 a = y.load(load);
                 z.store(1, store);
               },
               [&] {
                 b = z.load(load);
                 c = x.load(rlx);
               }});
      return digits({a, b, c});
    });
  };
  const Outcomes all{"000", "001", "010", "011", "100", "101", "110", "111"};
  EXPECT_EQ(isa2(rlx, rlx), all);
  EXPECT_EQ(isa2(rel, acq), all_but(all, "110"));
}

/// Whether a reader of what the second thread has put behind a release store may miss what came before that store.
bool misses_release(const std::function<void(lab::atomic<int>&)>& second) {
  bool misses = false;
  (void)outcomes_by(dpor(), [&] {
    lab::atomic<int> x(0), y(0);
    int a = 0, b = 0;
    run_all({[&] {
               x.store(1, rlx);
               y.store(1, rel);
             },
             [&] { second(y); },
             [&] {
               a = y.load(acq);
               b = x.load(rlx);
             }});
    misses = misses || (a == 2 && b == 0);
    return digits({a, b});
  });
  return misses;
}

TEST(WeakMemory, AReleaseSequenceGoesOnByReadModifyWrites) {
  EXPECT_FALSE(misses_release([](lab::atomic<int>& y) {
    int expected = 1;
    y.compare_exchange_strong(expected, 2, rlx, rlx);
  }));
  EXPECT_TRUE(misses_release([](lab::atomic<int>& y) {
    if (y.load(rlx) == 1) y.store(2, rlx);
  }));
}

TEST(WeakMemory, AReleaseSequenceEndsWithAStoreOfTheSameThread) {  // since C++20
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0), y(0);
              int a = 0, b = 0;
              run_all({[&] {
                         x.store(1, rlx);
                         y.store(1, rel);
                         y.store(2, rlx);
                       },
                       [&] {
                         a = y.load(acq);
                         b = x.load(rlx);
                       }});
              return digits({a, b});
            }),
            (Outcomes{"00", "01", "11", "20", "21"}));
}

TEST(WeakMemory, AStoreBehindAnAcquireIsNotPlacedBeforeWhatWasReleased) {  // S
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0), y(0);
              int a = 0;
              run_all({[&] {
                         x.store(2, rlx);
                         y.store(1, rel);
                       },
                       [&] {
                         a = y.load(acq);
                         x.store(1, rlx);
                       }});
              return digits({a, x.load()});
            }),
            (Outcomes{"01", "02", "11"}));
}

TEST(WeakMemory, AStoreAndALoadWithFences) {  // R
  const auto r = [](memory_order fence) {
    return outcomes([=] {
      lab::atomic<int> x(0), y(0);
      int a = 0;
      run_all({[&] {
                 x.store(1, rlx);
                 lab::atomic_thread_fence(fence);
                 y.store(1, rlx);
               },
               [&] {
                 y.store(2, rlx);
                 lab::atomic_thread_fence(fence);
                 a = x.load(rlx);
               }});
      return digits({a, y.load()});
    });
  };
  EXPECT_EQ(r(acq_rel), (Outcomes{"01", "02", "11", "12"}));
  EXPECT_EQ(r(seq), (Outcomes{"01", "11", "12"}));
}

// ---- strategies and tokens ----

TEST(WeakMemory, EveryStrategyFindsStoreBuffering) {
  const auto body = [] { check(store_buffering(rel, acq) != "00", "one is seen"); };
  for (const StrategySpec strategy : {random(), pct(3), exhaustive(), exhaustive(1), dpor()}) {
    const Report report = explore_threads({.strategy = strategy, .max_runs = 10'000, .memory = weak}, body);
    ASSERT_EQ(failure_of(report).kind, FailureKind::assertion);
    EXPECT_NE(report.failure()->token.find(".m."), std::string::npos) << report.failure()->token;
    const Report again = replay_threads(report.failure()->token, body);
    EXPECT_EQ(failure_of(again).message, "one is seen");
    EXPECT_EQ(again.failure()->token, report.failure()->token);
  }
}

}  // namespace
}  // namespace quiesce::lab
