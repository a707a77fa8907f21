#pragma once
// What an engine knows of its run.
//
// An agent is in one of these phases:
//  1. Fresh: made, and able to move; its first step begins its body. It gets a fiber only then.
//  2. Ready: at a visible point, able to move.
//  3. Conditional: at a visible point, able to move while `ready()` holds, which is asked before every choice.
//  4. Asleep: until somebody wakes it; then Ready.
//  5. Ended: its body has returned or thrown, and is destroyed. Its record stays until the next run, for names
//     and joins.
//  6. Abandoned: like Ended, but its stack could not be unwound.
// `enabled_ids` and `enabled` hold, in the order of ids, all agents of 1 and 2 and those of 3 whose condition
// holds; they change when an agent changes its phase or its condition, and are never made anew.
#include <boost/unordered/unordered_flat_map.hpp>
#include <exception>

#include "ambient.hpp"
#include "fiber.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"
#include "quiesce/detail/lab/engine.hpp"
#include "quiesce/detail/lab/memory.hpp"

namespace quiesce::lab::detail {

enum class Phase : std::uint8_t { Fresh, Ready, Conditional, Asleep, Ended, Abandoned };

constexpr std::uint32_t nobody = ~0U;

struct Agent {
  LogicalId id;
  std::uint32_t index;    // in the order of making
  std::uint32_t creator;  // its index, or nobody
  std::uint32_t ordinal;  // among what the creator made
  Phase phase;
  bool is_enabled;  // stands in `enabled`
  bool is_woken;    // before it slept
  bool may_end;     // asleep: the run may end meanwhile
  std::uint32_t agents_made;
  std::uint32_t objects_made;
  std::uint32_t points_passed;  // since the run was given up
  std::string name;             // empty: made from creator and ordinal when it is asked for
  std::function<void()> body;
  Doing doing;         // at its visible point
  std::string caller;  // of that point, if traces are kept and doing.where does not tell
  Touch touch;
  std::function<bool()> ready;
  const std::function<bool()>* held_up;  // in a run that is given up: may go on only when this holds
  AgentClock clock;
  Clock waker_clock;  // what those knew who have woken it
  std::unique_ptr<Fiber> fiber;
  quiesce::detail::ThreadContext context;
  RealLocks real_locks;  // that it holds

  bool has_ended() const { return phase >= Phase::Ended; }
};

struct Engine::State {
  struct Object {
    LogicalId id;
    std::string_view kind;
    std::uint32_t creator;
    std::uint32_t ordinal;
  };
  struct Holder {
    std::uint32_t agent;
    std::source_location where;
  };
  template <class T>
  using ById = boost::unordered_flat_map<std::uint64_t, T>;

  EngineLimits limits;
  Strategy* strategy = nullptr;
  std::uint64_t run_number = 0;
  std::unique_ptr<WeakMemory> weak_memory;  // nullptr: sequentially consistent

  std::vector<std::unique_ptr<Agent>> agents;  // the first `agent_count` are of this run
  std::uint32_t agent_count = 0;
  std::uint32_t outside_made = 0;  // agents and objects that were made outside of every agent
  ById<std::uint32_t> index_of;
  std::vector<LogicalId> enabled_ids;
  std::vector<Agent*> enabled;
  std::vector<Agent*> conditional;
  std::vector<std::unique_ptr<Fiber>> idle_fibers;
  Agent* running = nullptr;

  std::vector<Object> objects;
  ById<std::string> object_names;
  ById<Holder> holders;  // of what was touched with Acquire and not with Release since

  struct Invariant {
    std::uint64_t id;
    std::string name;
    std::function<bool()> holds;
    std::source_location where;
  };
  std::vector<Invariant> invariants;
  std::uint64_t invariants_made = 0;
  std::map<std::string, bool, std::less<>> goals;

  Step step;
  Doing step_doing;
  std::string step_caller;
  const std::int64_t* clock_ns = nullptr;  // the engine's
  RunEnd end;
  std::size_t choices_expected = 0;
  std::vector<Trace> trace;
  std::vector<AgentEvent> agent_events;
  AmbientReads ambient;
  bool gave_up = false;  // the strategy

  bool is_aborting = false;
  bool is_ruined = false;
  std::optional<Failure> late_failure;  // stands unless the agent in which it was found ends by an exception
  const Agent* late_agent = nullptr;
  std::string complaints;                 // about agents that could not be ended
  std::terminate_handler next_terminate;  // while the run is given up

  // ---- engine.cpp ----
  void reset(Strategy& chooser);
  Agent& make_agent(LogicalId id, std::string name, std::function<void()> body);
  Agent* find(LogicalId id) const;
  void enable(Agent& agent);
  void disable(Agent& agent);
  void refresh_conditional(const Agent* moved = nullptr);
  void note(AgentEvent::Kind kind, std::uint64_t step, const Agent* who, const Agent& agent);
  bool something_waits() const;
  bool run_idle(const Engine& engine);
  void make_steps(const Engine& engine);
  void tell_blocked();
  Agent* choose();
  void make_step(Agent& agent, std::int64_t now_ns);
  void conclude_step(std::int64_t now_ns);
  void look_at_invariants();
  void add_touch(Touch touch);
  bool lend_fiber(Agent& agent);
  void resume(Agent& agent);
  void announce(Agent& agent, Touch touch, Doing doing);
  void give_way(Agent& agent, Phase phase);
  static void run_body(void* agent);
  void ended_by_exception(const Agent& agent, std::string_view what);
  void set_failure(FailureKind kind, std::string message, std::source_location where = {},
                   std::string note = {});
  bool is_over() const { return end.failure || late_failure || is_aborting || gave_up; }

  // ---- ambient.cpp ----
  Agent* holder_of_real_lock(const void* mutex) const;
  void leave_real_locks();
  void check_real_locks(const Agent& agent, std::string_view does);
  void note(Calls& calls) const noexcept;  // none if no trace is kept
  std::string here() const;                // " at file:line", the same

  // ---- engine_give_up.cpp ----
  void give_up();
  bool give_up_pass(bool force);
  void pass_point(Agent& agent, bool may_throw, const std::function<bool()>* ready);
  void hold_up(Agent& agent, const std::function<bool()>& until);
  [[noreturn]] void abandon(Agent& agent);
  [[noreturn]] static void on_terminate();

  // ---- engine_waits.cpp ----
  std::string name_of(LogicalId id) const;
  std::string text_of(const Doing& doing) const;
  std::string describe_waits() const;
  std::string describe_enabled() const;
  const Agent* waits_for(const Agent& agent) const;
  std::vector<const Agent*> find_cycle() const;
  std::string holding(const Agent& agent, const Agent& waiter) const;
  std::string waiting(const Agent& agent) const;
};

}  // namespace quiesce::lab::detail
