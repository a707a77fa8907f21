#pragma once
// How the parts are explored, and how their mutants are.
//
// A *scenario* is a body of two or three lab threads that says what must hold. A part has a few. Each is explored to exhaustion with
// sequentially consistent memory, and with weak memory as far as it says. Every site of the part's files that the scenarios pass is
// then mutated, one at a time: each weaker memory order, each read-modify-write in two steps, each wake left out. A mutant is *caught*
// when a scenario fails with weak memory. Those that are not are listed by the test with the reason; the list is exact, so that an order
// that becomes necessary, or that stops being so, is seen.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lab_platform.hpp"
#include "quiesce/lab/explore_threads.hpp"

namespace quiesce::lab::parts {

struct Scenario {
  const char* name;
  std::function<void()> body;
  bool sc_exhausts = true;  // its space is small enough
  bool weak_exhausts = true;
  std::uint64_t weak_runs = 20'000;  // where it is not: so many runs of pct(3), and of dpor()
  bool judges_mutants = true;        // it is small enough to be explored once for each
};

struct Part {
  const char* name;
  std::vector<std::string> files;  // whose sites are mutated
  std::vector<Scenario> scenarios;
  /// Mutants that no scenario catches, and why.
  std::map<std::string, std::string> kept{};
};

/// Every scenario holds: all its schedules with lab::sc, and with lab::weak. What was run is recorded as properties of the test.
void expect_holds(const Part& part);
/// Every mutant of the part is caught, except those that are kept. Of an operation whose order is stronger than any scenario needs only
/// the weakest that is not caught is named.
void expect_mutants_caught(const Part& part);
/// A scenario that is wrong by itself is found to be: with lab::sc, or only with lab::weak.
void expect_breaks(const std::string& name, const std::function<void()>& body, Memory memory = Memory::sc);

/// Runs the functions as threads and joins them.
void run_threads(const std::vector<std::function<void()>>& bodies);

}  // namespace quiesce::lab::parts
