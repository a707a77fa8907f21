// Who waits for what, in words.
#include <fmt/format.h>

#include <algorithm>

#include "engine_state.hpp"

namespace quiesce::lab::detail {

namespace {

/// Waits, or agents that can move, that one message names.
constexpr std::size_t named_max = 8;

void append(std::string& list, std::string_view separator, std::string_view text) {
  if (!list.empty()) list += separator;
  list += text;
}

}  // namespace

std::string Engine::State::name_of(LogicalId id) const {
  if (const Agent* agent = find(id)) {
    if (!agent->name.empty()) return agent->name;
    if (agent->creator == nobody || agent->creator == 0) return fmt::format("t{}", agent->ordinal);
    return fmt::format("{}.{}", name_of(agents[agent->creator]->id), agent->ordinal);
  }
  const auto object = std::ranges::find(objects, id, &Object::id);
  const auto name = object_names.find(id.value);
  if (object == objects.end()) return name != object_names.end() ? name->second : to_string(id);
  if (name != object_names.end()) return fmt::format("{} {}", object->kind, name->second);
  if (object->creator == nobody) return fmt::format("{} #{}", object->kind, object->ordinal);
  return fmt::format("{} #{} of {}", object->kind, object->ordinal, name_of(agents[object->creator]->id));
}

std::string Engine::State::text_of(const Doing& doing) const {
  if (doing.object == LogicalId{}) return std::string(doing.verb);
  return fmt::format("{} {}", doing.verb, name_of(doing.object));
}

// Whose step could end this agent's wait, as far as that is one agent.
const Agent* Engine::State::waits_for(const Agent& agent) const {
  if (agent.phase != Phase::Conditional) return nullptr;
  if (const Agent* joined = find(agent.doing.object)) return joined;
  const auto holder = holders.find(agent.doing.object.value);
  return holder == holders.end() ? nullptr : agents[holder->second.agent].get();
}

// Every agent waits for at most one, so a walk along the waits that comes back to where it has been has gone
// round a cycle.
std::vector<const Agent*> Engine::State::find_cycle() const {
  std::vector<std::uint32_t> walk_of(agent_count, nobody);
  for (std::uint32_t walk = 0; walk < agent_count; ++walk) {
    const Agent* agent = agents[walk].get();
    for (; agent != nullptr && walk_of[agent->index] == nobody; agent = waits_for(*agent))
      walk_of[agent->index] = walk;
    if (agent == nullptr || walk_of[agent->index] != walk) continue;
    std::vector<const Agent*> cycle{agent};
    while (const Agent* next = waits_for(*cycle.back())) {
      if (next == agent) break;
      cycle.push_back(next);
    }
    std::ranges::rotate(cycle, std::ranges::min_element(cycle, {}, &Agent::index));
    return cycle;
  }
  return {};
}

// "holds mutex m and ", where `waiter` waits for that.
std::string Engine::State::holding(const Agent& agent, const Agent& waiter) const {
  const auto holder = holders.find(waiter.doing.object.value);
  if (holder == holders.end() || holder->second.agent != agent.index) return {};
  return fmt::format("holds {} and ", name_of(waiter.doing.object));
}

std::string Engine::State::waiting(const Agent& agent) const {
  std::string text = "waits to " + text_of(agent.doing);
  const auto holder = holders.find(agent.doing.object.value);
  if (agent.phase != Phase::Conditional || holder == holders.end()) return text;
  const Agent& other = *agents[holder->second.agent];
  return text + fmt::format(", which {} {}", name_of(other.id),
                            other.has_ended() ? "still held when it ended" : "holds");
}

std::string Engine::State::describe_waits() const {
  const std::vector<const Agent*> cycle = find_cycle();
  std::string text;
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    const Agent& waiter = *cycle[(i + cycle.size() - 1) % cycle.size()];
    append(text, ", ",
           fmt::format("{} {}waits to {}", name_of(cycle[i]->id), holding(*cycle[i], waiter),
                       text_of(cycle[i]->doing)));
  }
  if (!cycle.empty()) text.insert(0, "in a cycle ");
  std::size_t named = 0;
  std::size_t others = 0;
  for (std::uint32_t i = 0; i < agent_count; ++i) {
    const Agent& agent = *agents[i];
    if (agent.has_ended() || (agent.phase == Phase::Asleep && agent.may_end)) continue;
    if (std::ranges::find(cycle, &agent) != cycle.end()) continue;
    if (named == named_max) {
      ++others;
      continue;
    }
    append(text, named++ == 0 && !cycle.empty() ? "; besides, " : ", ",
           name_of(agent.id) + ' ' + waiting(agent));
  }
  if (others > 0) text += fmt::format(", and {} others wait", others);
  return text;
}

std::optional<Engine::AgentWait> Engine::wait_of(LogicalId id) const {
  const Agent* agent = state_->find(id);
  if (agent == nullptr || agent->phase != Phase::Conditional) return std::nullopt;
  const Agent* on = state_->waits_for(*agent);
  return AgentWait{state_->waiting(*agent), on != nullptr ? on->id : LogicalId{}};
}

std::string Engine::State::describe_enabled() const {
  std::string text;
  for (std::size_t i = 0; i < std::min(enabled.size(), named_max); ++i)
    append(text, ", ", fmt::format("{} ({})", name_of(enabled[i]->id), text_of(enabled[i]->doing)));
  if (enabled.size() > named_max) text += fmt::format(" and {} others", enabled.size() - named_max);
  return "able to move: " + text;
}

}  // namespace quiesce::lab::detail
