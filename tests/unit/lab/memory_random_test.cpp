// The weak memory model: small programs at random, whose outcomes the axioms tell.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "axiomatic.hpp"
#include "memory_support.hpp"

namespace quiesce::lab {
namespace {

using namespace memory_tests;  // NOLINT: tests

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

}  // namespace
}  // namespace quiesce::lab
