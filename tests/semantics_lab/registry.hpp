#pragma once
// The tests of tests/semantics in the lab: the same sources, compiled a second time with QUIESCE_SEMANTICS_IN_LAB. There a TEST registers a
// body that is run many times, each time with a fixture of its own, as the main agent of an engine:
//  1. Under random() and pct(3) what the test's Steppers step next is the strategy's choice among all that can be stepped, and the test's
//     own expectations must hold in every run.
//  2. With a request at each cancel point that the test's tasks pass, one a run. There the expectations are not asked: a task that
//     is cancelled does not do what the test waits for. What must hold are the rules that the oracles watch, and the library's asserts.
// Steppers that a test drives by hand, step by step, are stepped as it says.
// QUIESCE_LAB_RUNS: how many runs each strategy makes. QUIESCE_REPLAY: a token that a failure has printed, to make that run again.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace quiesce::semantics::in_lab {

/// What the lab may choose from when a Stepper goes on by itself.
enum class Order : std::uint8_t {
  any,    // whatever can be stepped
  lanes,  // what is in the first lane that is not empty; of the timed lane the first
  fifo,   // nothing: as without the lab
  out     // the test is not run in the lab
};

/// A test for which not everything holds, and why.
struct SpecialTest {
  const char* name;  // "Suite.test"
  Order order;
  bool cancels;  // with requests at its cancel points
  const char* reason;
};

/// The list, all in one place: special_support.cpp.
std::span<const SpecialTest> special_tests();

struct Counts {
  std::size_t tests = 0, out = 0;
  std::uint64_t runs = 0;
};
/// What is registered, and the runs that have been made.
const Counts& counts();
bool is_known(const std::string& name);

/// Called once for each test before main; `run_once` makes a fixture and runs the test's body.
bool add(const char* suite, const char* name, const char* file, int line, void (*run_once)());

}  // namespace quiesce::semantics::in_lab
