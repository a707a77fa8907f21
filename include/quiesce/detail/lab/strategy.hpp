#pragma once
// What decides in the lab: who moves next. A run is a sequence of steps; before each one the engine asks the strategy for one of
// the agents that can move, and afterwards tells it what the step has touched.
//
// Identity. Agents (tasks, lab threads) and objects (atomics, mutexes, regions …) are named by logical ids: a mix of who made
// them and the ordinal there. So the same agent has the same name in every run, whatever was scheduled before it was made.
//
// Dependence. A step touches objects; two steps are dependent when they are of one agent or touch one object in a way that
// conflicts. Steps that are not may be exchanged when they are neighbours, and runs that differ only so are one
// Mazurkiewicz class. Creating an agent touches it (Write), as do its first and its last step; joining it reads it.
//
// Blocking. An agent that waits is not among those that can move. The step that ends the wait is *guarded*; what it waits for comes
// first among what it touches, and is one of these:
//   - a lock (Acquire). Whoever gives it back touches it with Release: a race is between two acquisitions, not between a release
//     and the acquisition that it enables;
//   - another agent's end (Read of that agent);
//   - a *call* (Read of call_of(its agent)): a notification, which writes there once for each wait. Who is called and then needs a
//     lock waits for the lock from then on, and its step touches the lock first, then the call.
// So it is known of a wait whether it could have ended without some step. Nothing else may be waited for where the strategy is dpor.
//
// Counts. Updates of one object commute. Who updates it last of all in a run may find that and go on by it, as who leaves a region
// last closes it: it touches the object with Update and then with Write. Who adds to what has to leave touches it with Enter. The
// strategies know this form, and no other in which what an update finds decides.
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "quiesce/logical.hpp"

namespace quiesce::lab::detail {

enum class Access : std::uint8_t {
  Read,    // also a failed compare-exchange, a failed try-lock
  Update,  // a change that commutes with other updates, and with nothing else (counts of a region)
  Enter,   // an update too: one that cannot be the last
  Write,
  Acquire,  // of a lock: only ever executed while it is free
  Release
};

struct Touch {
  LogicalId object;
  Access access;
  friend bool operator==(const Touch&, const Touch&) = default;
};

constexpr bool is_update(Access access) { return access == Access::Update || access == Access::Enter; }

constexpr bool conflict(Access a, Access b) {
  return !(a == Access::Read && b == Access::Read) && !(is_update(a) && is_update(b));
}
constexpr bool conflict(const Touch& a, const Touch& b) {
  return a.object == b.object && conflict(a.access, b.access);
}

/// What others write when they end an agent's wait for a call, and the agent reads when it goes on.
inline LogicalId call_of(LogicalId agent) { return child(agent, ~0U - 1); }

/// A step that has been made. `touches` may be empty (only its own agent's order matters) and names an object several times only with
/// different accesses. They stand in the order in which the step came to them: what it does after one of them may depend on what it
/// saw there, what it did before cannot.
struct Step {
  LogicalId agent;
  std::vector<Touch> touches;
  bool is_guarded = false;             // it waited for its first object
  std::vector<std::uint32_t> draws{};  // for each draw of the step: how many of the touches came before it
};

class Strategy {
 public:
  virtual ~Strategy() = default;
  /// Before each run. False: the space is exhausted, there is nothing left to run.
  virtual bool begin_run() = 0;
  /// One of `enabled`: at least one, in ascending order, each able to make a step now. LogicalId{0}: the run is given up.
  virtual LogicalId choose(std::span<const LogicalId> enabled) = 0;
  /// A choice within a step, of data and not of an agent: 0 to n - 1.
  virtual std::uint32_t draw(std::uint32_t n) = 0;
  /// The agent that was chosen has made its step.
  virtual void executed(const Step& step) = 0;
  /// Nothing could move, and what is outside of every agent (time) has made something able to: all that was before is before all
  /// that comes after.
  virtual void idled() {}
  /// Before end_run: this agent still waits to make a guarded step that begins with `pending`. Of one that could have made it
  /// earlier there are runs in which it did.
  virtual void blocked(LogicalId agent, Touch pending) {
    static_cast<void>(agent);
    static_cast<void>(pending);
  }
  /// The run is over: to its end, or cut off by a failure or a limit (then what it did counts, and it may be one of several).
  virtual void end_run(bool complete) = 0;

  struct Counts {
    std::uint64_t runs = 0;     // begun and ended
    std::uint64_t classes = 0;  // distinct ones among the complete: a hash of their canonical form and draws
    std::uint64_t blocked_runs = 0;  // given up, all that could move being asleep; optimal DPOR has none
    std::uint64_t max_depth = 0;     // steps of the longest
    bool exhausted = false;
  };
  virtual Counts counts() const = 0;
};

/// Every agent that can move is equally likely.
std::unique_ptr<Strategy> make_random(std::uint64_t seed);
/// Burckhardt, Kothari, Musuvathi, Nagarakatte: A randomized scheduler with probabilistic guarantees of finding bugs, ASPLOS 2010:
/// random priorities and `depth - 1` change points, placed among as many steps as the runs so far have had.
std::unique_ptr<Strategy> make_pct(std::uint64_t seed, std::uint32_t depth);
/// Depth first over all choices; with `preemptions` only runs that take the processor from an agent that could go on so often.
std::unique_ptr<Strategy> make_exhaustive(std::uint32_t preemptions = ~0u);
/// Optimal dynamic partial order reduction with wake-up trees (Abdulla, Aronis, Jonsson, Sagonas, POPL 2014, JACM 2017): each
/// class once.
std::unique_ptr<Strategy> make_dpor();
/// Follows given choices (indices into `enabled`); what comes after them is the least agent, the one that moved last going on if it can.
std::unique_ptr<Strategy> make_scripted(std::vector<std::uint32_t> choices);

/// One schedule, in which each two-way `draw` is a place where something may be injected: first a run without, then one for every
/// place, then, with `together` 2, one for every pair.
std::unique_ptr<Strategy> make_injection(std::uint32_t together);

/// The canonical form of a run's class: a hash of its Foata normal form.
std::uint64_t class_hash(std::span<const Step> run);

}  // namespace quiesce::lab::detail
