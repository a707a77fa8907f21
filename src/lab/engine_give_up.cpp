// The end of a run whose agents have not all ended: their stacks are unwound.
//
//  1. Agents are resumed one after another, the last made first: so what an agent has on its stack is there
//     while those it made, who may refer to it, are unwound.
//  2. Where an agent stands RunAborted is thrown. Where that cannot be (an exception is in flight, the caller
//     may not throw) the point is passed at once, so that destructors come to their end; one that waits for
//     another agent first lets the others be unwound.
//  3. An agent that passes too many points, because it swallows RunAborted or spins in a destructor, is
//     abandoned and complained of.
//     Of a run that is ruined (fail_for_good) all are, without being resumed.
//  4. A noexcept function on an agent's stack turns RunAborted into std::terminate. The terminate handler in
//     force meanwhile abandons the agent instead: its destructors cannot run, but the process and the report of
//     the failure survive. Any other cause of std::terminate goes to the handler that was there before.
#include <cxxabi.h>
#include <fmt/format.h>

#include <cstdlib>

#include "engine_state.hpp"

namespace quiesce::lab::detail {

namespace {

/// Visible points that an agent may pass until its end, once the run is given up.
constexpr std::uint32_t points_max = 10'000;

class TerminateHandler {
 public:
  TerminateHandler(std::terminate_handler& previous, std::terminate_handler mine) : previous_(previous) {
    previous_ = std::set_terminate(mine);
  }
  ~TerminateHandler() { std::set_terminate(previous_); }
  TerminateHandler(const TerminateHandler&) = delete;
  TerminateHandler& operator=(const TerminateHandler&) = delete;

 private:
  std::terminate_handler& previous_;
};

bool run_aborted_is_in_flight() {
  if (!std::current_exception()) return false;
  try {
    throw;
  } catch (const RunAborted&) { return true; } catch (...) {
    return false;
  }
}

}  // namespace

void Engine::State::give_up() {
  is_aborting = true;
  if (is_ruined) {
    for (std::uint32_t i = 0; i < agent_count; ++i) {
      agents[i]->fiber.reset();
      agents[i]->phase = Phase::Ended;
    }
    leave_real_locks();
    return;
  }
  {
    const TerminateHandler handler(next_terminate, on_terminate);
    while (!give_up_pass(false) && !give_up_pass(true)) {}
  }
  leave_real_locks();
  if (late_failure && !end.failure) end.failure = std::move(late_failure);
  if (complaints.empty()) return;
  if (end.failure) {
    end.failure->message += "; besides, " + complaints;
  } else {
    end.failure = Failure{FailureKind::misuse, complaints, end.steps};
  }
}

// True: all have ended. With `force` the first that is held up goes on although what it waits for does not
// hold.
bool Engine::State::give_up_pass(bool force) {
  bool all_ended = true;
  for (std::uint32_t i = agent_count; i-- > 0;) {
    Agent& agent = *agents[i];
    if (agent.has_ended()) continue;
    const bool may_go_on = agent.held_up == nullptr || (*agent.held_up)();
    if (may_go_on || force) {
      if (!may_go_on) force = false;
      running = &agent;
      resume(agent);
      running = nullptr;
    }
    all_ended = all_ended && agent.has_ended();
  }
  return all_ended;
}

void Engine::State::pass_point(Agent& agent, bool may_throw, const std::function<bool()>* ready) {
  if (++agent.points_passed > points_max) {
    if (!complaints.empty()) complaints += ", ";
    complaints +=
        fmt::format("{} goes on though the run is given up: it catches RunAborted, or waits in a destructor",
                    name_of(agent.id));
    abandon(agent);
  }
  if (may_throw && std::uncaught_exceptions() == 0) throw RunAborted{};
  if (ready != nullptr) hold_up(agent, *ready);
}

void Engine::State::hold_up(Agent& agent, const std::function<bool()>& until) {
  if (until()) return;
  agent.held_up = &until;
  give_way(agent, Phase::Ready);
  agent.held_up = nullptr;
}

void Engine::State::abandon(Agent& agent) {
  for (;;) give_way(agent, Phase::Abandoned);
}

void Engine::State::on_terminate() {
  Engine* engine = current_engine;
  if (engine == nullptr) std::abort();  // on another thread, meanwhile
  State& s = *engine->state_;
  if (s.is_aborting && s.running != nullptr && run_aborted_is_in_flight()) {
    abi::__cxa_end_catch();  // frees the exception: nobody will
    s.abandon(*s.running);
  }
  // Runs that are given up on two threads at once may find each other's handler: the same one.
  if (s.next_terminate != nullptr && s.next_terminate != on_terminate) s.next_terminate();
  std::abort();
}

}  // namespace quiesce::lab::detail
