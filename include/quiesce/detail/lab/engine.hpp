#pragma once
// The engine runs agents on one thread, one step at a time, as a strategy says.
//
// An agent is a function on a stack of its own (Boost.Context). A step goes from one *visible point* to the
// next: `visible`, `blocked_until`, `sleep`, or the agent's end. At a visible point the agent says what it is
// about to do and gives way; when it is chosen, it does that and goes on to its next visible point. The steps
// of a run are numbered from 0.
//
//   Engine engine(limits);
//   RunEnd end = engine.run(strategy, "main", [&] { … });      // main is an agent; agents make agents
//
// Inside an agent, Engine::current() is the engine and everything below may be called. All of it is
// deterministic: the same choices give the same run. Nothing here knows tasks, regions or threads; those are
// built on it (lab/thread.hpp, lab/executor.hpp).
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quiesce/detail/lab/clock.hpp"
#include "quiesce/detail/lab/strategy.hpp"
#include "quiesce/lab/chaos.hpp"
#include "quiesce/lab/trace.hpp"
#include "quiesce/logical.hpp"

namespace quiesce::lab {

enum class FailureKind : std::uint8_t {
  assertion,  // lab::check, lab::always
  deadlock,   // nothing can move, something waits
  livelock,   // the limit of steps is reached
  data_race,  // two unordered accesses of plain data, one of them a write
  exception,  // a body or a lab thread ended by an exception
  misuse,     // of the lab itself: unlocking a mutex that is not held, a switch while a real mutex is held, …
  oracle,     // a rule of the library was broken; the message names it
  nondeterminism,  // the same choices gave another run
  divergence       // a replay could not follow its token
};
const char* to_string(FailureKind kind) noexcept;

namespace detail {

/// What an agent does, or waits for, for reports: "lock mutex m", "join writer". An agent that waits for an
/// object waits for its holder (who touched it last with Acquire and not since with Release), or for the object
/// itself where that is an agent.
struct Doing {
  std::string_view verb;  // a literal: lives for ever
  LogicalId object{};     // 0: none; its name follows the verb
  std::source_location where;
};

/// One line of the schedule that a report shows.
struct Trace {
  std::uint64_t step;
  LogicalId agent;
  Doing doing;
  std::vector<Touch> touches;
  std::int64_t time_ns;
  /// "file:line" from the stack, where `doing.where` is unknown or in a header of the standard library's.
  std::string caller{};
};

/// What became of an agent, for a trace.
struct AgentEvent {
  enum class Kind : std::uint8_t {
    made,
    woken,  // it can move from now on: what it waited for has come
    ended
  } kind;
  std::uint64_t step;  // in which it happened; where `who` is nobody, the one that came next
  LogicalId who;       // did it; 0: nobody, time did
  LogicalId agent;
  std::int64_t time_ns;
};

struct Failure {
  FailureKind kind;
  std::string message;  // one sentence
  std::uint64_t step;
  std::source_location where{};
  std::string note{};  // after the sentence; what only a run knows that keeps its trace
};

struct RunEnd {
  std::optional<Failure> failure;
  std::uint64_t steps = 0;
  bool was_given_up = false;  // by the strategy, before its end
  /// The index in `enabled` at each step at which there was more than one, and each draw.
  std::vector<std::uint32_t> choices;
  std::uint64_t trace_hash = 0;     // of agents, verbs, objects and touches; not of source locations
  std::uint64_t ambient_reads = 0;  // of the system's clocks and randomness
  std::uint64_t thread_id_reads = 0;
  /// Of a run whose trace is kept: what those who build on the engine know of it. A `step` among the events is the engine's own of
  /// that number, with the states that followed it.
  RunTrace told{};
};

/// Thrown through an agent's stack when the run is given up, so that its destructors run. Not a std::exception.
/// Not thrown while another exception is in flight, nor by functions marked noexcept: those return at once and
/// do nothing. An agent that catches it gets it again at its next visible point, up to a bound; one whose stack
/// it cannot leave, by a noexcept function of the user's, stays as it is: what lies on that stack is not
/// destroyed.
struct RunAborted {};

struct EngineLimits {
  std::uint64_t steps = 100'000;  // then: livelock
  std::size_t stack_bytes = 64 * 1024;
  bool keep_trace = false;  // also the lines that a report needs; the hash is always there
  bool weak_memory = false;
};

class Engine;
class WeakMemory;
/// The engine of the run on this thread.
extern constinit thread_local Engine* current_engine;

class Engine {
 public:
  explicit Engine(EngineLimits limits = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// The engine of the run on this thread, or nullptr outside of one.
  static Engine* current() noexcept { return current_engine; }

  /// Runs `main` and every agent that comes of it until all have ended (but for those that sleep with
  /// `may_end`), nothing can move, a failure, or the limit. May be called again; stacks are kept. The caller
  /// has called strategy.begin_run(); end_run is called here, with true also for a deadlock, which cuts nothing
  /// off. A strategy gives a run up by choosing LogicalId{0}.
  /// `main_id`: where others have ids that are numbered from 0 as well.
  RunEnd run(Strategy& strategy, std::string_view name, std::function<void()> main, LogicalId main_id = {});
  std::span<const Trace> trace() const;
  /// Of a run whose trace is kept: what became of its agents, in order.
  std::span<const AgentEvent> agent_events() const;

  /// Called when no agent can move and one still waits that must not: makes one able to (moves virtual time on,
  /// say) and gives true, or false: then the run is over, by deadlock if an agent still waits (agents that
  /// sleep with `may_end` do not count).
  std::function<bool()> on_idle;
  /// What waits for what, and who can end that wait, for the message of a deadlock after "nothing can move: "; the default names
  /// agents and their Doing, and the cycle if there is one.
  std::function<std::string()> describe_deadlock;

  // ---- for agents, during a run ----
  /// A new agent, able to move; named child(self, ordinal). The making is a touch (Write) of its id in this
  /// step.
  LogicalId add_agent(std::string name, std::function<void()> body);
  /// The same with an id of the caller's choice, which no other agent of the run has that has not ended; from
  /// outside every agent too (on_idle: no touch). In a run that is given up the body is destroyed at once, and
  /// the agent has ended.
  void add_agent_as(LogicalId id, std::string name, std::function<void()> body);
  /// 0 outside of every agent.
  LogicalId self() const noexcept;
  /// Of an agent or an object: "writer", "mutex m", or where nobody named it "t0", "mutex #0 of main". Also
  /// after the run.
  std::string name_of(LogicalId agent_or_object) const;
  void set_name(LogicalId agent_or_object, std::string_view name);
  bool has_agent(LogicalId id) const;
  bool has_ended(LogicalId agent) const;
  /// An id for an object made by this agent: the same in every run. `kind` is a literal: "mutex".
  LogicalId new_object(std::string_view kind = "object");
  /// Different in each run of each engine: by it an object tells that it was made in another run.
  std::uint64_t run_number() const noexcept;
  /// What happened before whatever this agent does now; nullptr outside of every agent. Making and waking
  /// agents pass it on; the rest is for those who build on the engine.
  AgentClock* clock() noexcept;
  const AgentClock& clock_of(LogicalId agent) const;
  /// nullptr: every atomic operation is sequentially consistent.
  WeakMemory* weak_memory() noexcept;

  /// A visible point: gives way; then the step begins with this touch (none if its object is 0). In a run that
  /// is given up: throws RunAborted.
  void visible(Touch touch, Doing doing);
  /// The same, able to move only while `ready` holds (it may read engine and object state, and must not change
  /// any).
  void blocked_until(std::function<bool()> ready, Touch touch, Doing doing);
  /// The same for callers that may not throw: in a run that is given up it returns at once.
  void visible_noexcept(Touch touch, Doing doing) noexcept;
  /// What this step turns out to be, where its visible point could not say.
  void describe_step(Doing doing) noexcept;
  struct AgentWait {
    std::string text;  // "waits to lock mutex m, which writer holds"
    LogicalId on;      // who has to move first, or 0
  };
  /// Of an agent that stands at a visible point and cannot move.
  std::optional<AgentWait> wait_of(LogicalId agent) const;
  /// Ends another agent's wait for a call, in this step: a touch (Write) of call_of(agent).
  void call(LogicalId agent);
  /// The same for one that needs more before it can go on: from now on it waits for that, and its step begins
  /// with `touch`.
  void call(LogicalId agent, Touch touch, Doing doing);
  /// More of what this step touches; no point of its own.
  void touch(Touch touch);
  /// Gives way until another agent (or on_idle) wakes this one. `may_end`: the run may end while it sleeps. A
  /// touch (Write) of its id in the step that it ends, for whether it gives way depends on who woke it before.
  void sleep(Doing doing, bool may_end = false);
  /// The sleeper can move from now on; if it does not sleep, its next sleep does not give way. A touch (Write)
  /// of its id in this step, as the step by which it goes on.
  void wake(LogicalId agent);
  bool is_asleep(LogicalId agent) const;
  /// Another agent that stands at a visible point of this object; 0: none.
  LogicalId find_user(LogicalId object) const;
  /// A choice of data, 0 to n - 1.
  std::uint32_t draw(std::uint32_t n);
  /// For an agent that steps others by a scheduler of its own, which are no agents of this engine (a Stepper's tasks): which of `those`
  /// (at least one, in ascending order) makes a step now, chosen by the strategy as it chooses agents. An index. When the strategy
  /// chooses none of them the run fails, and 0 is given. Not for dpor(): what guests touch is not told.
  std::size_t choose_guest(std::span<const LogicalId> those);
  /// A guest makes a step, within the agent's: counted and written down as one of its own. At the limit of steps the run ends
  /// as a livelock, for good.
  void step_guest(LogicalId guest, Doing doing);
  /// Ends the run. From inside an agent it does not return (throws RunAborted, or, where that cannot be,
  /// returns and the run ends at the next visible point). The first failure counts.
  void fail(FailureKind kind, std::string message, std::source_location where = {});
  /// The same for callers that may not throw: it always returns, and the run is given up when it does.
  void fail_noexcept(FailureKind kind, std::string message, std::source_location where = {}) noexcept;
  /// The same where nothing that the agents refer to can be relied on any more: the run ends at once, no stack is unwound, and
  /// what lies on them is not destroyed. Does not return to an agent.
  void fail_for_good(FailureKind kind, std::string message) noexcept;
  /// The run has ended so.
  bool is_ruined() const noexcept;
  bool keeps_trace() const noexcept;
  /// For a destructor that finds an agent which must not outlive it: ends the run as misuse, unless an
  /// exception that is in flight here ends this agent and says more; returns when the other has been unwound.
  void unwind(LogicalId agent, std::string message) noexcept;
  bool is_aborting() const noexcept;
  std::uint64_t step_number() const noexcept;
  /// Asked after every step until it is removed, or the run is over; false: the run has failed.
  std::uint64_t add_invariant(std::string name, std::function<bool()> holds, std::source_location where);
  void remove_invariant(std::uint64_t id) noexcept;
  /// Of all runs of this engine: what was to happen at some time, and whether it has.
  void note_goal(std::string_view name, bool reached);
  const std::map<std::string, bool, std::less<>>& goals() const noexcept;
  /// What may go wrong in the run; set by who begins it, and outlives it.
  const Chaos* chaos = nullptr;

  // ---- what is not the lab's (src/lab/ambient.hpp) ----
  /// The agent's step calls a function of the system's that reads a clock or gives randomness. A literal.
  void read_ambient(const char* function) noexcept;
  /// It asks which thread it is on: the same in every run of this process, and another in the next.
  void read_thread_id() noexcept;
  /// Who read clocks or took randomness in the last run: for a failure's message; empty: nobody.
  std::string describe_ambient() const;
  /// Ends the run as misuse. True: an agent calls, and is not to sleep.
  bool sleep_for_real(const char* function);
  void locked_for_real(const void* mutex) noexcept;
  /// An agent of an earlier run on this thread has locked it and never given it back. True once: it is the calling agent's now.
  bool adopt_real_lock(const void* mutex) noexcept;
  /// Before an agent waits for a mutex that is locked. Returns where nobody of this run has it; else the run has failed as misuse, and
  /// the agent does not go on.
  void await_real_lock(const void* mutex) noexcept;
  void unlocked_for_real(const void* mutex) noexcept;
  /// For the trace; set by whoever keeps time.
  std::int64_t time_ns = 0;

 private:
  struct State;
  void fail_with_note(FailureKind kind, std::string message, std::string note, std::source_location where);
  std::unique_ptr<State> state_;
};

}  // namespace detail
}  // namespace quiesce::lab
