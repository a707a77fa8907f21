#pragma once
// What a run's choices mean depends on more than the choices: whose they are and how the run was made. That stands before them in
// the token, as "b9e107d9d.s7.w2.c.", and a replay is made in the same way.
#include <cstdint>
#include <string>
#include <string_view>

#include "quiesce/lab/report.hpp"

namespace quiesce::lab::detail {

struct RunMode {
  std::uint32_t body = 0;                           // b: the body's fingerprint; 0: not known
  std::uint64_t seed = 0;                           // s: of the entropy that the body draws
  std::uint32_t workers = 1;                        // w: simulated
  bool lanes = false;                               // l: Scheduling::workers
  std::uint64_t step_limit = Options{}.step_limit;  // n
  bool draws_cancels = false;                       // c: whether a request lands at a cancel point is drawn
  std::uint64_t futurelock_steps = Options{}.futurelock_steps;  // f
  Memory memory = Memory::sc;                                   // m: weak
  Chaos chaos = {};                                             // x: see write_chaos

  /// Of an exploration with these options.
  static RunMode of(std::uint32_t body, const Options& options);
  /// The options with what a run in this mode needs: for a replay.
  Options applied_to(Options options) const;

  /// Only what differs from the default.
  std::string prefix() const;
  /// Takes the prefix off, and white space around the token. What cannot be read stays, and is no token.
  static RunMode take_from(std::string_view& token);

  friend bool operator==(const RunMode&, const RunMode&) = default;
};

}  // namespace quiesce::lab::detail
