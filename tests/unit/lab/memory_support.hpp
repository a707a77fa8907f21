#pragma once
// What the tests of the weak memory model have in common: the outcomes of a litmus test, by both strategies that show all of them.
#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "explore_support.hpp"

namespace quiesce::lab::memory_tests {

using std::memory_order;
using tests::failure_of;
inline constexpr memory_order rlx = std::memory_order_relaxed, acq = std::memory_order_acquire,
                              rel = std::memory_order_release, acq_rel = std::memory_order_acq_rel,
                              seq = std::memory_order_seq_cst;

using Outcomes = std::set<std::string>;
using Threads = std::vector<std::function<void()>>;

inline void run_all(const Threads& bodies) {
  std::vector<lab::thread> threads;
  for (const auto& body : bodies) threads.emplace_back(body);
  for (lab::thread& thread : threads) thread.join();
}

inline std::string digits(std::initializer_list<int> values) {
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
inline Outcomes all_of_two() { return {"00", "01", "10", "11"}; }
inline Outcomes all_but(Outcomes all, const std::string& one) {
  EXPECT_EQ(all.erase(one), 1u);
  return all;
}

/// Each thread stores to one atomic and looks at the other.
inline std::string store_buffering(memory_order store, memory_order load, memory_order fence = rlx) {
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

inline void expect_right(const Report& report) {
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_TRUE(report.exhausted);
}

}  // namespace quiesce::lab::memory_tests
