// The weak memory model: litmus tests, each with exactly the outcomes that RC11 allows it (of executions in which the order of the
// seq_cst operations goes with reading-from, see detail/lab/memory.hpp).
//
// Names and shapes as in Alglave, Maranget, Tautschnig: Herding cats, TOPLAS 2014; what C11 says of them as in Lahav et al., PLDI 2017.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "axiomatic.hpp"
#include "explore_support.hpp"

namespace quiesce::lab {
namespace {

using std::memory_order;
using tests::failure_of;
constexpr memory_order rlx = std::memory_order_relaxed, acq = std::memory_order_acquire,
                       rel = std::memory_order_release, acq_rel = std::memory_order_acq_rel,
                       seq = std::memory_order_seq_cst;

using Outcomes = std::set<std::string>;
using Threads = std::vector<std::function<void()>>;

void run_all(const Threads& bodies) {
  std::vector<lab::thread> threads;
  for (const auto& body : bodies) threads.emplace_back(body);
  for (lab::thread& thread : threads) thread.join();
}

std::string digits(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += std::to_string(value);
  return text;
}

template <class Litmus>
Outcomes outcomes_by(StrategySpec strategy, Litmus litmus, Memory memory = weak) {
  Outcomes found;
  const Report report = explore_threads({.strategy = strategy, .max_runs = 2'000'000, .memory = memory},
                                        [&] { found.insert(litmus()); });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_TRUE(report.exhausted);
  EXPECT_EQ(report.blocked_runs, 0u);
  return found;
}

/// All of them, by depth first search and by dpor().
template <class Litmus>
Outcomes outcomes(Litmus litmus, Memory memory = weak) {
  const Outcomes found = outcomes_by(dpor(), litmus, memory);
  EXPECT_EQ(found, outcomes_by(exhaustive(), litmus, memory)) << "dpor and depth first search";
  return found;
}

/// Of two threads that each say one digit.
Outcomes all_of_two() { return {"00", "01", "10", "11"}; }
Outcomes all_but(Outcomes all, const std::string& one) {
  EXPECT_EQ(all.erase(one), 1u);
  return all;
}

// ---- store buffering ----

std::string store_buffering(memory_order store, memory_order load, memory_order fence = rlx) {
  lab::atomic<int> x(0, "x"), y(0, "y");
  int a = 0, b = 0;
  run_all({[&] {
             x.store(1, store);
             lab::atomic_thread_fence(fence);
             a = y.load(load);
           },
           [&] {
             y.store(1, store);
             lab::atomic_thread_fence(fence);
             b = x.load(load);
           }});
  return digits({a, b});
}

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

// ---- coherence ----

TEST(WeakMemory, ReadsOfOneAtomicAreCoherent) {
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0);
              int a = 0, b = 0;
              run_all({[&] { x.store(1, rlx); },
                       [&] {
                         a = x.load(rlx);
                         b = x.load(rlx);
                       }});
              return digits({a, b});
            }),
            all_but(all_of_two(), "10"));
}

TEST(WeakMemory, TwoReadersAgreeOnTheOrderOfStores) {
  const Outcomes found = outcomes_by(dpor(), [] {
    lab::atomic<int> x(0);
    int a = 0, b = 0, c = 0;
    run_all({[&] { x.store(1, rlx); }, [&] { x.store(2, rlx); },
             [&] {
               a = x.load(rlx);
               b = x.load(rlx);
               c = x.load(rlx);
             }});
    return digits({a, b, c, x.load()});
  });
  for (const std::string& one : found) {
    // What is read last but one of the stores, or last, fits the value that stays.
    EXPECT_FALSE(one.substr(0, 3).find("12") != std::string::npos && one[3] == '1') << one;
    EXPECT_FALSE(one.substr(0, 3).find("21") != std::string::npos && one[3] == '2') << one;
    EXPECT_EQ(one.find("10"), std::string::npos) << one;
    EXPECT_EQ(one.find("20"), std::string::npos) << one;
  }
  // Of 0* 1* 2* and 0* 2* 1*: the last two digits may differ, or be equal, or jump; nothing is read back.
  EXPECT_TRUE(found.contains("0121") == false && found.contains("0122") && found.contains("0211"));
  EXPECT_TRUE(found.contains("0001") && found.contains("0002") && found.contains("1112"));
}

TEST(WeakMemory, AThreadReadsItsOwnStoreOrALaterOne) {
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0);
              int a = 0;
              run_all({[&] {
                         x.store(1, rlx);
                         a = x.load(rlx);
                       },
                       [&] { x.store(2, rlx); }});
              return digits({a, x.load()});
            }),
            (Outcomes{"11", "12", "22"}));
}

TEST(WeakMemory, AStoreComesAfterWhatItsThreadHasRead) {
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0);
              int a = 0;
              run_all({[&] {
                         a = x.load(rlx);
                         x.store(1, rlx);
                       },
                       [&] { x.store(2, rlx); }});
              return digits({a, x.load()});
            }),
            (Outcomes{"01", "02", "21"}));
}

TEST(WeakMemory, TwoPlusTwoWrites) {
  const auto two_plus_two = [](memory_order order) {
    return [=] {
      lab::atomic<int> x(0), y(0);
      run_all({[&] {
                 x.store(1, order);
                 y.store(2, order);
               },
               [&] {
                 y.store(1, order);
                 x.store(2, order);
               }});
      return digits({x.load(), y.load()});
    };
  };
  EXPECT_EQ(outcomes(two_plus_two(rlx)), (Outcomes{"11", "12", "21", "22"}));
  EXPECT_EQ(outcomes(two_plus_two(rel)), (Outcomes{"11", "12", "21", "22"}));
  EXPECT_EQ(outcomes(two_plus_two(seq)), (Outcomes{"12", "21", "22"}));
}

TEST(WeakMemory, ReadModifyWritesLoseNothing) {
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0);
              int a = 0, b = 0;
              run_all({[&] { a = x.fetch_add(1, rlx); }, [&] { b = x.fetch_add(1, rlx); }});
              return digits({a, b, x.load(rlx)});
            }),
            (Outcomes{"012", "102"}));
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0);
              const auto take = [&x] {
                int expected = 0;
                return x.compare_exchange_strong(expected, 1, rlx, rlx) ? 1 : 0;
              };
              int a = 0, b = 0;
              run_all({[&] { a = take(); }, [&] { b = take(); }});
              return digits({a, b});
            }),
            (Outcomes{"01", "10"}));
}

TEST(WeakMemory, AStoreDoesNotComeBetweenAReadModifyWriteAndWhatItReads) {
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0);
              int a = 0;
              run_all({[&] { a = x.fetch_add(1, rlx); }, [&] { x.store(5, rlx); }});
              return digits({a, x.load(rlx)});
            }),
            (Outcomes{"05", "56"}));
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

void expect_right(const Report& report) {
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_TRUE(report.exhausted);
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

// ---- small programs at random ----

namespace axiomatic = tests::axiomatic;
using axiomatic::Kind;

/// Two or three threads of a few operations on two atomics, with any orders.
axiomatic::Program random_program(std::uint64_t seed, bool with_sc_fences) {
  static constexpr memory_order loads[] = {rlx, acq, seq, seq}, stores[] = {rlx, rel, seq, seq},
                                both[] = {rlx, acq, rel, seq}, failures[] = {rlx, acq, rlx, seq},
                                fences[] = {acq, rel, acq_rel, seq};
  std::mt19937_64 random(seed);
  const auto pick = [&](std::uint64_t n) { return static_cast<std::size_t>(random() % n); };
  axiomatic::Program program(pick(3) == 0 ? 3 : 2);
  int value = 0;
  for (auto& thread : program) {
    for (std::size_t i = 0; i < (program.size() == 3 ? 2U : 3U); ++i) {
      const auto kind = static_cast<Kind>(pick(5));
      const std::size_t order = pick(kind == Kind::Fence && !with_sc_fences ? 3 : 4);
      const memory_order orders[] = {loads[order], stores[order], both[order], both[order], fences[order]};
      thread.push_back({kind, pick(2), orders[static_cast<std::size_t>(kind)], failures[order], ++value});
    }
  }
  return program;
}

std::string perform(const axiomatic::Op& op, lab::atomic<int>& atomic) {
  int expected = 0;
  switch (op.kind) {
    case Kind::Load: return std::to_string(atomic.load(op.order));
    case Kind::Store: return atomic.store(op.value, op.order), "";
    case Kind::Exchange: return std::to_string(atomic.exchange(op.value, op.order));
    case Kind::Fence: return lab::atomic_thread_fence(op.order), "";
    default: break;
  }
  const bool done = atomic.compare_exchange_strong(expected, op.value, op.order, op.failure);
  return (done ? "+" : "-") + std::to_string(expected);
}

std::function<std::string()> in_lab(const axiomatic::Program& program) {
  return [&program] {
    lab::atomic<int> atomics[2] = {0, 0};
    std::vector<std::string> seen(program.size());
    Threads bodies;
    for (std::size_t t = 0; t < program.size(); ++t) {
      bodies.push_back([&, t] {
        for (const axiomatic::Op& op : program[t]) seen[t] += perform(op, atomics[op.atomic]);
      });
    }
    run_all(bodies);
    std::string outcome = digits({atomics[0].load(), atomics[1].load()});
    for (const std::string& text : seen) outcome += " " + text;
    return outcome;
  };
}

/// What an operation may choose from must depend on nothing that dpor() takes to be independent.
TEST(WeakMemory, DporFindsWhatDepthFirstSearchFinds) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    const axiomatic::Program program = random_program(seed, true);
    const Outcomes in_order = outcomes_by(dpor(), in_lab(program));
    Outcomes found;
    const Report report = explore_threads({.strategy = exhaustive(), .max_runs = 3'000, .memory = weak},
                                          [&] { found.insert(in_lab(program)()); });
    if (report.exhausted) {
      EXPECT_EQ(in_order, found);
    } else {
      EXPECT_TRUE(std::ranges::includes(in_order, found));
    }
    // All that sequential consistency shows is shown.
    EXPECT_TRUE(std::ranges::includes(in_order, outcomes_by(dpor(), in_lab(program), sc)));
  }
}

/// Exactly what the axioms of C++20 allow.
TEST(WeakMemory, ShowsWhatTheAxiomsAllow) {
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    const axiomatic::Program program = random_program(seed, false);
    EXPECT_EQ(outcomes_by(dpor(), in_lab(program)), axiomatic::Model(program).outcomes());
  }
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
