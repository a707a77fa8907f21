#include "quiesce/detail/lab/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "coverage.hpp"
#include "engine_state.hpp"
#include "quiesce/detail/assert.hpp"
#include "where.hpp"

namespace quiesce::lab {

const char* to_string(FailureKind kind) noexcept {
  switch (kind) {
    case FailureKind::assertion: return "assertion";
    case FailureKind::deadlock: return "deadlock";
    case FailureKind::livelock: return "livelock";
    case FailureKind::data_race: return "data race";
    case FailureKind::exception: return "exception";
    case FailureKind::misuse: return "misuse";
    case FailureKind::oracle: return "oracle";
    case FailureKind::nondeterminism: return "nondeterminism";
    case FailureKind::divergence: return "divergence";
  }
  return "unknown";
}

namespace detail {

constinit thread_local Engine* current_engine = nullptr;

namespace {

/// Calls of on_idle in a row that make nothing able to move.
constexpr std::uint64_t idle_calls_max = 1'000'000;
/// Sets the ids of objects apart from those of agents with the same maker.
constexpr std::uint32_t objects_branch = ~0U;
constexpr std::size_t step_capacity = 8;
/// Steps of a kept trace whose callers are looked for: that is slow.
constexpr std::size_t callers_max = 2'000;

/// An assertion of the library that fails in a run is what the run has found: it does not end the process.
void watch_assertion(const char* file, int line, const char* condition, std::string_view message) {
  Engine* engine = current_engine;
  if (engine == nullptr || engine->self() == LogicalId{} || engine->is_aborting()) return;
  const std::string_view path(file);
  engine->fail(FailureKind::oracle, fmt::format("assertion `{}` failed at {}:{}: {}", condition,
                                                path.substr(path.rfind('/') + 1), line, message));
}

class CurrentEngine {
 public:
  explicit CurrentEngine(Engine& engine)
      : previous_(std::exchange(current_engine, &engine)),
        watcher_(std::exchange(quiesce::detail::assertion_watcher, watch_assertion)) {}
  ~CurrentEngine() {
    current_engine = previous_;
    quiesce::detail::assertion_watcher = watcher_;
  }
  CurrentEngine(const CurrentEngine&) = delete;
  CurrentEngine& operator=(const CurrentEngine&) = delete;

 private:
  Engine* previous_;
  quiesce::detail::AssertionWatcher watcher_;
};

// One round of wyhash's mixing (Wang Yi, 2019): the two halves of a 128-bit product.
std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{hash ^ 0xA0761D6478BD642FU} * (value ^ 0xE7037ED1A0B428DBU);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t mix(std::uint64_t hash, std::string_view text) {
  for (std::size_t i = 0; i < text.size(); i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, std::min(sizeof word, text.size() - i));
    hash = mix(hash, word);
  }
  return mix(hash, text.size());
}

}  // namespace

// ---- a run ----

Engine::Engine(EngineLimits limits) : state_(std::make_unique<State>()) {
  state_->limits = limits;
  state_->clock_ns = &time_ns;
  if (limits.weak_memory) state_->weak_memory = std::make_unique<WeakMemory>();
}
Engine::~Engine() = default;

RunEnd Engine::run(Strategy& strategy, std::string_view name, std::function<void()> main, LogicalId main_id) {
  State& s = *state_;
  QUIESCE_ASSERT(s.strategy == nullptr, "an engine makes one run at a time");
  s.reset(strategy);
  time_ns = 0;
  const CurrentEngine current(*this);
  const struct Release {
    State& state;
    ~Release() {
      state.strategy = nullptr;
      quiesce::detail::exact_executor = nullptr;  // it may stay behind a run that is ruined
    }
  } release{s};
  const LogicalId first = child(LogicalId{}, s.outside_made++);
  add_agent_as(main_id == LogicalId{} ? first : main_id, std::string(name), std::move(main));
  try {
    s.make_steps(*this);
  } catch (...) {  // of the strategy or on_idle
    s.give_up();
    throw;
  }
  s.tell_blocked();
  const bool is_complete =
      s.enabled.empty() && (!s.end.failure || s.end.failure->kind == FailureKind::deadlock);
  s.give_up();
  strategy.end_run(is_complete);
  s.choices_expected = s.end.choices.size();
  s.end.was_given_up = s.gave_up;
  return std::move(s.end);
}

void Engine::State::make_steps(const Engine& engine) {
  while (!is_over()) {
    Agent* agent = choose();
    if (agent != nullptr) make_step(*agent, engine.time_ns);
    if (is_over()) return;
    refresh_conditional(agent);
    if (enabled.empty() && !run_idle(engine)) return;
  }
}

void Engine::State::tell_blocked() {
  if (!enabled.empty()) return;
  for (const Agent* agent : conditional) strategy->blocked(agent->id, agent->touch);
}

void Engine::State::reset(Strategy& chooser) {
  strategy = &chooser;
  ++run_number;
  for (std::uint32_t i = 0; i < agent_count; ++i) agents[i]->body = nullptr;  // of those that were abandoned
  agent_count = outside_made = 0;
  index_of.clear();
  enabled_ids.clear();
  enabled.clear();
  conditional.clear();
  invariants.clear();
  objects.clear();
  object_names.clear();
  holders.clear();
  trace.clear();
  agent_events.clear();
  ambient.clear();
  step.touches.reserve(step_capacity);
  end = RunEnd{};
  end.choices.reserve(choices_expected);
  late_failure.reset();
  complaints.clear();
  gave_up = is_aborting = is_ruined = false;
  if (weak_memory) weak_memory->begin_run();
}

// ---- who can move ----

void Engine::State::enable(Agent& agent) {
  if (agent.is_enabled) return;
  agent.is_enabled = true;
  const auto at = std::ranges::lower_bound(enabled_ids, agent.id) - enabled_ids.begin();
  enabled_ids.insert(enabled_ids.begin() + at, agent.id);
  enabled.insert(enabled.begin() + at, &agent);
}

void Engine::State::disable(Agent& agent) {
  if (!agent.is_enabled) return;
  agent.is_enabled = false;
  const auto at = std::ranges::lower_bound(enabled_ids, agent.id) - enabled_ids.begin();
  enabled_ids.erase(enabled_ids.begin() + at);
  enabled.erase(enabled.begin() + at);
}

// `moved` made the last step, if anybody did.
void Engine::State::refresh_conditional(const Agent* moved) {
  for (Agent* agent : conditional) {
    if (agent->ready()) {
      if (!agent->is_enabled && agent != moved)
        note(AgentEvent::Kind::woken, moved != nullptr ? end.steps - 1 : end.steps, moved, *agent);
      enable(*agent);
    } else {
      disable(*agent);
    }
  }
}

void Engine::State::note(AgentEvent::Kind kind, std::uint64_t at, const Agent* who, const Agent& agent) {
  if (!limits.keep_trace) return;
  agent_events.push_back({kind, at, who != nullptr ? who->id : LogicalId{}, agent.id, *clock_ns});
}

bool Engine::State::something_waits() const {
  return std::any_of(agents.begin(), agents.begin() + agent_count, [](const auto& agent) {
    return !agent->has_ended() && !(agent->phase == Phase::Asleep && agent->may_end);
  });
}

// False: the run is over.
bool Engine::State::run_idle(const Engine& engine) {
  if (!something_waits()) return false;
  for (std::uint64_t calls = 0; engine.on_idle && engine.on_idle(); ++calls) {
    if (is_over()) return false;
    refresh_conditional();
    if (!enabled.empty()) {
      strategy->idled();
      return true;
    }
    if (calls == idle_calls_max) {
      set_failure(FailureKind::livelock,
                  fmt::format("time passed {} times and nothing came to be able to move", calls));
      return false;
    }
  }
  if (is_over()) return false;
  set_failure(
      FailureKind::deadlock,
      "nothing can move: " + (engine.describe_deadlock ? engine.describe_deadlock() : describe_waits()));
  return false;
}

// ---- a step ----

Agent* Engine::State::choose() {
  if (end.steps == limits.steps) {
    set_failure(FailureKind::livelock, fmt::format("no end after {} steps; {}", end.steps, describe_enabled()));
    return nullptr;
  }
  const LogicalId id = strategy->choose(enabled_ids);
  const auto at = std::ranges::lower_bound(enabled_ids, id) - enabled_ids.begin();
  if (at == std::ssize(enabled_ids) || enabled_ids[static_cast<std::size_t>(at)] != id) {
    gave_up = true;
    if (id == LogicalId{}) return nullptr;
    set_failure(FailureKind::divergence, fmt::format("at step {} the choice is of nobody who can move; {}",
                                                     end.steps, describe_enabled()));
    return nullptr;
  }
  if (enabled.size() > 1) end.choices.push_back(static_cast<std::uint32_t>(at));
  return enabled[static_cast<std::size_t>(at)];
}

void Engine::State::make_step(Agent& agent, std::int64_t now_ns) {
  step.agent = agent.id;
  step.touches.clear();
  step.draws.clear();
  step.is_guarded = agent.phase == Phase::Conditional;
  step_doing = agent.doing;
  step_caller = std::exchange(agent.caller, {});
  if (agent.phase == Phase::Conditional) std::erase(conditional, &agent);
  agent.phase = Phase::Ready;
  running = &agent;
  add_touch(agent.touch);
  resume(agent);
  if (agent.has_ended()) {
    add_touch({agent.id, Access::Write});
    note(AgentEvent::Kind::ended, end.steps, &agent, agent);
    check_real_locks(agent, "ends");
  }
  running = nullptr;
  if (agent.phase == Phase::Conditional) conditional.push_back(&agent);
  if (agent.phase == Phase::Asleep || agent.has_ended()) disable(agent);
  if (!invariants.empty()) look_at_invariants();
  conclude_step(now_ns);
}

void Engine::State::look_at_invariants() {
  for (const Invariant& invariant : invariants) {
    if (is_over()) return;
    if (!invariant.holds())
      set_failure(FailureKind::assertion, "no longer true: " + invariant.name, invariant.where);
  }
}

void Engine::State::conclude_step(std::int64_t now_ns) {
  std::uint64_t hash = mix(end.trace_hash, step.agent.value);
  hash = mix(mix(hash, step_doing.verb), step_doing.object.value);
  for (const Touch& touch : step.touches)
    hash = mix(mix(hash, touch.object.value), static_cast<std::uint64_t>(touch.access));
  end.trace_hash = hash;
  if (limits.keep_trace)
    trace.push_back({end.steps, step.agent, step_doing, step.touches, now_ns, step_caller});
  ++end.steps;
  strategy->executed(step);
}

void Engine::State::add_touch(Touch touch) {
  if (touch.object == LogicalId{} || std::ranges::find(step.touches, touch) != step.touches.end()) return;
  step.touches.push_back(touch);
  if (touch.access == Access::Acquire) {
    holders.insert_or_assign(touch.object.value, Holder{running->index, step_doing.where});
  } else if (touch.access == Access::Release) {
    holders.erase(touch.object.value);
  }
}

bool Engine::State::lend_fiber(Agent& agent) {
  try {
    if (idle_fibers.empty()) idle_fibers.push_back(std::make_unique<Fiber>(limits.stack_bytes));
  } catch (const std::bad_alloc&) {
    set_failure(FailureKind::misuse,
                fmt::format("there is no memory for the stack of {}; {} agents were made before it",
                            name_of(agent.id), agent.index));
    agent.body = nullptr;
    agent.phase = Phase::Ended;
    return false;
  }
  agent.fiber = std::move(idle_fibers.back());
  idle_fibers.pop_back();
  agent.fiber->start(run_body, &agent);
  return true;
}

void Engine::State::resume(Agent& agent) {
  if (!agent.fiber && !lend_fiber(agent)) return;
  // What the thread keeps for the step that runs on it belongs to this agent meanwhile.
  std::swap(quiesce::detail::thread_context, agent.context);
  agent.fiber->resume();
  std::swap(quiesce::detail::thread_context, agent.context);
  if (agent.phase == Phase::Ended) {
    idle_fibers.push_back(std::move(agent.fiber));
  } else if (agent.phase == Phase::Abandoned) {
    agent.fiber.reset();
  }
}

void Engine::State::announce(Agent& agent, Touch touch, Doing doing) {
  if (Coverage* coverage = Coverage::current(); coverage != nullptr && doing.where.line() != 0)
    coverage->suspended(doing.verb, {}, doing.where);
  agent.touch = touch;
  agent.doing = doing;
  if (!agent.real_locks.empty()) [[unlikely]]
    check_real_locks(agent, "gives way");
  if (limits.keep_trace && trace.size() < callers_max && !tells_caller(doing.where))
    agent.caller = find_caller();
}

void Engine::State::give_way(Agent& agent, Phase phase) {
  agent.phase = phase;
  agent.fiber->suspend();
}

void Engine::State::run_body(void* argument) {
  auto& agent = *static_cast<Agent*>(argument);
  State& s = *current_engine->state_;
  try {
    if (!s.is_aborting) agent.body();
  } catch (const RunAborted&) {  // NOLINT(bugprone-empty-catch): it has done its work
  } catch (const std::exception& exception) { s.ended_by_exception(agent, exception.what()); } catch (...) {
    s.ended_by_exception(agent, "something that is not a std::exception");
  }
  agent.body = nullptr;  // still a part of the agent: what it captured may have visible points
  agent.phase = Phase::Ended;
}

void Engine::State::ended_by_exception(const Agent& agent, std::string_view what) {
  if (is_aborting && !(late_failure && late_agent == &agent)) return;  // comes of the run's end
  set_failure(FailureKind::exception, fmt::format("{} ended by an exception: {}", name_of(agent.id), what));
}

void Engine::State::set_failure(FailureKind kind, std::string message, std::source_location where,
                                std::string note) {
  if (!end.failure) end.failure = Failure{kind, std::move(message), end.steps, where, std::move(note)};
}

// ---- agents ----

Agent* Engine::State::find(LogicalId id) const {
  const auto found = index_of.find(id.value);
  return found == index_of.end() ? nullptr : agents[found->second].get();
}

Agent& Engine::State::make_agent(LogicalId id, std::string name, std::function<void()> body) {
  if (agent_count == agents.size()) agents.push_back(std::make_unique<Agent>());
  const std::uint32_t index = agent_count++;
  Agent& agent = *agents[index];
  agent.id = id;
  agent.index = index;
  agent.creator = running != nullptr ? running->index : nobody;
  agent.phase = Phase::Fresh;
  agent.context = {};
  agent.is_enabled = agent.is_woken = agent.may_end = false;
  agent.ordinal = agent.agents_made = agent.objects_made = agent.points_passed = 0;
  agent.name = std::move(name);
  agent.body = std::move(body);
  agent.doing = {"start", {}, {}};
  agent.caller.clear();
  agent.touch = {id, Access::Write};
  agent.held_up = nullptr;
  agent.clock.begin(index);
  agent.waker_clock.clear();
  agent.fiber.reset();
  agent.context = {};
  agent.real_locks.clear();
  index_of.insert_or_assign(id.value, index);
  return agent;
}

LogicalId Engine::add_agent(std::string name, std::function<void()> body) {
  State& s = *state_;
  QUIESCE_ASSERT(s.running != nullptr, "only an agent makes agents that are named by their maker");
  const std::uint32_t ordinal = s.running->agents_made++;
  const LogicalId id = child(s.running->id, ordinal);
  add_agent_as(id, std::move(name), std::move(body));
  s.find(id)->ordinal = ordinal;
  return id;
}

void Engine::add_agent_as(LogicalId id, std::string name, std::function<void()> body) {
  State& s = *state_;
  QUIESCE_ASSERT(s.strategy != nullptr, "agents are made in a run");
  if (const Agent* same = s.find(id); same != nullptr && !same->has_ended())
    return fail_noexcept(FailureKind::misuse, "a second agent with the id of " + s.name_of(id) + " was made");
  Agent& agent = s.make_agent(id, std::move(name), std::move(body));
  if (s.is_aborting) {
    agent.phase = Phase::Ended;
    agent.body = nullptr;
    return;
  }
  s.enable(agent);
  s.note(AgentEvent::Kind::made, s.end.steps, s.running, agent);
  if (s.running == nullptr) return;
  s.running->clock.pass_to(agent.clock);
  s.add_touch({id, Access::Write});
}

LogicalId Engine::self() const noexcept {
  return state_->running != nullptr ? state_->running->id : LogicalId{};
}

bool Engine::has_agent(LogicalId id) const { return state_->find(id) != nullptr; }

bool Engine::has_ended(LogicalId agent) const {
  const Agent* found = state_->find(agent);
  return found != nullptr && found->has_ended();
}

bool Engine::is_asleep(LogicalId agent) const {
  const Agent* found = state_->find(agent);
  return found != nullptr && found->phase == Phase::Asleep;
}

LogicalId Engine::find_user(LogicalId object) const {
  for (std::uint32_t i = 0; i < state_->agent_count; ++i) {
    const Agent& agent = *state_->agents[i];
    if (agent.doing.object == object && !agent.has_ended() && &agent != state_->running) return agent.id;
  }
  return {};
}

AgentClock* Engine::clock() noexcept { return state_->running != nullptr ? &state_->running->clock : nullptr; }

WeakMemory* Engine::weak_memory() noexcept { return state_->weak_memory.get(); }

const AgentClock& Engine::clock_of(LogicalId agent) const {
  const Agent* found = state_->find(agent);
  QUIESCE_ASSERT(found != nullptr, "the clock of an agent that is not of this run");
  return found->clock;
}

// ---- objects and names ----

LogicalId Engine::new_object(std::string_view kind) {
  State& s = *state_;
  const bool inside = s.running != nullptr;
  const std::uint32_t ordinal = inside ? s.running->objects_made++ : s.outside_made++;
  const LogicalId id = child(child(inside ? s.running->id : LogicalId{}, objects_branch), ordinal);
  s.objects.push_back({id, kind, inside ? s.running->index : nobody, ordinal});
  return id;
}

std::string Engine::name_of(LogicalId agent_or_object) const { return state_->name_of(agent_or_object); }

void Engine::set_name(LogicalId agent_or_object, std::string_view name) {
  if (Agent* agent = state_->find(agent_or_object)) {
    agent->name = name;
  } else {
    state_->object_names.insert_or_assign(agent_or_object.value, std::string(name));
  }
}

std::uint64_t Engine::run_number() const noexcept {
  return mix(std::bit_cast<std::uintptr_t>(this), state_->run_number);
}

// ---- visible points ----

void Engine::visible(Touch touch, Doing doing) {
  State& s = *state_;
  if (s.running == nullptr) return;
  Agent& agent = *s.running;
  if (s.is_aborting) return s.pass_point(agent, true, nullptr);
  s.announce(agent, touch, doing);
  s.give_way(agent, Phase::Ready);
  if (s.is_aborting) s.pass_point(agent, true, nullptr);
}

void Engine::visible_noexcept(Touch touch, Doing doing) noexcept {
  State& s = *state_;
  if (s.running == nullptr) return;
  Agent& agent = *s.running;
  if (s.is_aborting) return s.pass_point(agent, false, nullptr);
  s.announce(agent, touch, doing);
  s.give_way(agent, Phase::Ready);
}

void Engine::blocked_until(std::function<bool()> ready, Touch touch, Doing doing) {
  State& s = *state_;
  if (s.running == nullptr) return;
  Agent& agent = *s.running;
  const bool waits_for_agent = s.find(doing.object) != nullptr;
  if (s.is_aborting) return s.pass_point(agent, true, waits_for_agent ? &ready : nullptr);
  agent.ready = std::move(ready);
  s.announce(agent, touch, doing);
  s.give_way(agent, Phase::Conditional);
  if (s.is_aborting) s.pass_point(agent, true, waits_for_agent ? &agent.ready : nullptr);
}

void Engine::call(LogicalId agent) { touch({call_of(agent), Access::Write}); }

void Engine::call(LogicalId agent, Touch touch, Doing doing) {
  call(agent);
  if (Agent* found = state_->find(agent)) {
    found->touch = touch;
    found->doing = doing;
  }
}

void Engine::describe_step(Doing doing) noexcept {
  if (state_->running != nullptr && !state_->is_aborting) state_->step_doing = doing;
}

void Engine::touch(Touch touch) {
  if (state_->running != nullptr && !state_->is_aborting) state_->add_touch(touch);
}

void Engine::sleep(Doing doing, bool may_end) {
  State& s = *state_;
  if (s.running == nullptr) return;
  Agent& agent = *s.running;
  if (s.is_aborting) return s.pass_point(agent, true, nullptr);
  const Touch own{agent.id, Access::Write};
  s.add_touch(own);
  if (!std::exchange(agent.is_woken, false)) {
    s.announce(agent, own, doing);
    agent.may_end = may_end;
    s.give_way(agent, Phase::Asleep);
    if (s.is_aborting) s.pass_point(agent, true, nullptr);
  }
  agent.clock.acquire(agent.waker_clock);
  agent.waker_clock.clear();
}

void Engine::wake(LogicalId agent) {
  State& s = *state_;
  Agent* sleeper = s.find(agent);
  if (s.is_aborting || sleeper == nullptr) return;
  if (s.running != nullptr) {
    s.add_touch({agent, Access::Write});
    s.running->clock.add_to(sleeper->waker_clock);
  }
  if (sleeper->phase == Phase::Asleep) {
    s.note(AgentEvent::Kind::woken, s.end.steps, s.running, *sleeper);
    sleeper->phase = Phase::Ready;
    s.enable(*sleeper);
  } else {
    sleeper->is_woken = true;
  }
}

std::uint32_t Engine::draw(std::uint32_t n) {
  State& s = *state_;
  QUIESCE_ASSERT(n > 0, "a draw has at least one outcome");
  if (s.is_aborting || s.strategy == nullptr) return 0;
  std::uint32_t drawn = s.strategy->draw(n);
  if (drawn >= n) {
    fail(FailureKind::divergence,
         fmt::format("at step {} the choice is {} of {} ways, counted from 0", s.end.steps, drawn, n));
    drawn = 0;
  }
  s.step.draws.push_back(static_cast<std::uint32_t>(s.step.touches.size()));
  s.end.choices.push_back(drawn);
  s.end.trace_hash = mix(s.end.trace_hash, drawn);
  return drawn;
}

// ---- what is said of runs ----

std::uint64_t Engine::add_invariant(std::string name, std::function<bool()> holds, std::source_location where) {
  state_->invariants.push_back({++state_->invariants_made, std::move(name), std::move(holds), where});
  return state_->invariants_made;
}

void Engine::remove_invariant(std::uint64_t id) noexcept {
  std::erase_if(state_->invariants, [id](const State::Invariant& invariant) { return invariant.id == id; });
}

void Engine::note_goal(std::string_view name, bool reached) {
  auto goal = state_->goals.find(name);
  if (goal == state_->goals.end()) goal = state_->goals.emplace(std::string(name), false).first;
  goal->second = goal->second || reached;
}

const std::map<std::string, bool, std::less<>>& Engine::goals() const noexcept { return state_->goals; }

std::size_t Engine::choose_guest(std::span<const LogicalId> those) {
  State& s = *state_;
  QUIESCE_ASSERT(!those.empty(), "one of the guests must be able to move");
  if (s.is_aborting || s.strategy == nullptr) return 0;
  const LogicalId id = s.strategy->choose(those);
  const auto at = static_cast<std::size_t>(std::ranges::lower_bound(those, id) - those.begin());
  if (at == those.size() || those[at] != id) {
    s.set_failure(
        FailureKind::divergence,
        fmt::format("at step {} the choice is of none of the {} that can move", s.end.steps, those.size()));
    return 0;
  }
  if (those.size() > 1) s.end.choices.push_back(static_cast<std::uint32_t>(at));
  return at;
}

void Engine::step_guest(LogicalId guest, Doing doing) {
  State& s = *state_;
  if (s.is_aborting || s.strategy == nullptr) return;
  if (s.end.steps == s.limits.steps)
    return fail_for_good(FailureKind::livelock, fmt::format("no end after {} steps", s.end.steps));
  s.end.trace_hash = mix(mix(s.end.trace_hash, guest.value), doing.verb);
  if (s.limits.keep_trace) s.trace.push_back({s.end.steps, guest, doing, {}, time_ns});
  ++s.end.steps;
  s.strategy->executed(Step{.agent = guest, .touches = {}});
}

// ---- ends ----

void Engine::fail(FailureKind kind, std::string message, std::source_location where) {
  fail_with_note(kind, std::move(message), {}, where);
}

void Engine::fail_with_note(FailureKind kind, std::string message, std::string note,
                            std::source_location where) {
  State& s = *state_;
  if (!s.is_aborting) s.set_failure(kind, std::move(message), where, std::move(note));
  if (s.running == nullptr) return;
  if (!s.is_aborting) s.give_way(*s.running, Phase::Ready);
  s.pass_point(*s.running, true, nullptr);
}

void Engine::fail_noexcept(FailureKind kind, std::string message, std::source_location where) noexcept {
  State& s = *state_;
  if (s.is_aborting) return;
  s.set_failure(kind, std::move(message), where);
  if (s.running != nullptr) s.give_way(*s.running, Phase::Ready);
}

void Engine::unwind(LogicalId agent, std::string message) noexcept {
  State& s = *state_;
  if (s.running == nullptr) return;
  if (!s.is_aborting) {
    if (std::uncaught_exceptions() > 0) {
      s.late_failure = Failure{FailureKind::misuse, std::move(message), s.end.steps};
      s.late_agent = s.running;
    } else {
      s.set_failure(FailureKind::misuse, std::move(message));
    }
  }
  s.hold_up(*s.running, [this, agent] { return has_ended(agent); });
}

void Engine::fail_for_good(FailureKind kind, std::string message) noexcept {
  State& s = *state_;
  s.set_failure(kind, std::move(message));
  s.is_ruined = true;
  if (s.running != nullptr) s.abandon(*s.running);
}

bool Engine::is_ruined() const noexcept { return state_->is_ruined; }
bool Engine::keeps_trace() const noexcept { return state_->limits.keep_trace; }
bool Engine::is_aborting() const noexcept { return state_->is_aborting; }
std::uint64_t Engine::step_number() const noexcept { return state_->end.steps; }
std::span<const Trace> Engine::trace() const { return state_->trace; }
std::span<const AgentEvent> Engine::agent_events() const { return state_->agent_events; }

}  // namespace detail
}  // namespace quiesce::lab
