#pragma once
// What an exploration is asked for, and what it tells.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quiesce/detail/lab/engine.hpp"
#include "quiesce/lab/chaos.hpp"
#include "quiesce/lab/trace.hpp"

namespace quiesce::lab {

/// How the next one to move is chosen. Made by random(), pct(d), exhaustive(), exhaustive(n), dpor().
struct StrategySpec {
  enum class Kind : std::uint8_t { Random, Pct, Exhaustive, Dpor } kind = Kind::Random;
  std::uint32_t parameter = 0;
};
/// Uniform among those that can move.
constexpr StrategySpec random() { return {StrategySpec::Kind::Random, 0}; }
/// Random priorities with `depth - 1` change points: finds a bug of that depth with a known probability (Burckhardt et al., ASPLOS 2010).
constexpr StrategySpec pct(std::uint32_t depth) { return {StrategySpec::Kind::Pct, depth}; }
/// Every schedule, depth first; with a bound those with at most so many preemptions.
constexpr StrategySpec exhaustive(std::uint32_t preemptions = ~0u) {
  return {StrategySpec::Kind::Exhaustive, preemptions};
}
/// Every Mazurkiewicz class once (Abdulla et al., POPL 2014).
constexpr StrategySpec dpor() { return {StrategySpec::Kind::Dpor, 0}; }

/// What the atomics of a run may show. `weak`: what the C++ memory model allows, as far as docs/lab.md says.
enum class Memory : std::uint8_t { sc, weak };
inline constexpr Memory sc = Memory::sc;
inline constexpr Memory weak = Memory::weak;

struct Report;

/// Which task steps next.
enum class Scheduling : std::uint8_t {
  any_order,  // any that can: also orders that no scheduler of today makes
  workers     // what production's lanes, LIFO slots, stealing and parking give, on `workers` simulated workers
};

struct Options {
  StrategySpec strategy = random();
  std::uint64_t seed = 0;
  std::uint64_t max_runs = 1'000;
  std::uint64_t step_limit = 100'000;  // of one run; then it is a livelock
  bool stop_at_first_failure = true;
  std::uint32_t workers = 1;                      // simulated; of coroutine bodies
  Scheduling scheduling = Scheduling::any_order;  // of their tasks
  bool keep_trace = false;                        // of the last run, in Report::trace; a failure has one always
  Chaos chaos = {};                               // what goes wrong by the lab's doing
  /// A task that waits while it holds an obligation and is not stepped for so many steps of others is a failure; 0: never.
  std::uint64_t futurelock_steps = 10'000;
  std::function<void(const Report& so_far)> on_progress = {};  // some times a second
  /// The directory in which a failure leaves a directory of its own, with all that is needed to look into it: the token, the trace,
  /// the report, and what was run. Empty: the environment's QUIESCE_CRASH_PACKS, or none.
  std::string crash_packs = {};
  /// Of each agent; more while a failure's trace is written, and under sanitizers.
  std::size_t stack_bytes = detail::EngineLimits{}.stack_bytes;
  Memory memory = Memory::sc;
};

/// The first failure that was found.
struct FoundFailure {
  FailureKind kind;
  std::string message;  // one sentence
  std::uint64_t run;    // which of the runs, from 0
  std::uint64_t step;
  std::string schedule;  // as a table: step, who, what, where
  std::string token;     // runs it again: lab::replay(token, body)
  std::shared_ptr<const RunTrace> trace{};
  std::string crash_pack{};        // its directory, if one was asked for and could be written
  std::string crash_pack_error{};  // why it could not
};

struct Report {
  std::uint64_t runs = 0, failures = 0, classes = 0, blocked_runs = 0, max_depth = 0, steps = 0;
  /// Calls by which the runs read a clock of the system's or took randomness from it: what these give is not the same the next time.
  /// A failure of kind nondeterminism says who called. Not counted under the address and the thread sanitizer.
  std::uint64_t ambient_reads = 0;
  /// Calls by which the runs asked for the id of the thread they are on. All runs of an exploration are on one, so no second run can tell
  /// whether it decides; in another process it is another.
  std::uint64_t thread_id_reads = 0;
  /// Of all that the runs did, in the order of the runs: who moved, what with, and what was drawn; not of names or lines of the source.
  /// The same body, options and library give the same hash, in whatever process and by whatever compiler.
  std::uint64_t hash = 0;
  bool exhausted = false;
  std::chrono::duration<double> elapsed{};
  std::optional<FoundFailure> first_failure;
  std::shared_ptr<const RunTrace> trace{};  // of the last run, if Options::keep_trace

  bool failed() const { return first_failure.has_value(); }
  const FoundFailure* failure() const { return first_failure ? &*first_failure : nullptr; }
  double runs_per_second() const {
    return elapsed.count() > 0 ? static_cast<double>(runs) / elapsed.count() : 0;
  }
  /// The whole as text: the counts, and of a failure the sentence, the schedule and the token.
  std::string text() const;
};

}  // namespace quiesce::lab
