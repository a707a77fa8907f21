#include "run_trace.hpp"

#include <algorithm>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "where.hpp"

namespace quiesce::lab::detail {
namespace {

/// Where an event stands in its step.
enum class Place : std::uint8_t { Time, Before, Step, After };

Place place_of(const TraceEvent& event) {
  using enum TraceEvent::Kind;
  if (event.kind == time) return Place::Time;
  if (event.kind == step) return Place::Step;
  const bool nobody_did = event.who == LogicalId{} && (event.kind == spawn || event.kind == wake ||
                                                       event.kind == claim || event.kind == cancel);
  return nobody_did ? Place::Before : Place::After;
}

class Maker {
 public:
  Maker(const Engine& engine, RunTrace known) : engine_(engine), trace_(std::move(known)) {
    for (const TraceActor& actor : trace_.actors) known_.insert(actor.id.value);
  }

  RunTrace make() {
    for (const AgentEvent& event : engine_.agent_events()) add(event);
    add_steps();
    sort_events();
    return std::move(trace_);
  }

 private:
  void add_actor(LogicalId id, TraceActor::Kind kind) {
    if (id != LogicalId{} && known_.insert(id.value).second)
      trace_.actors.push_back({.id = id, .kind = kind, .name = name_of(id)});
  }

  const std::string& name_of(LogicalId id) {
    std::string& name = names_[id.value];
    if (name.empty()) name = engine_.name_of(id);
    return name;
  }

  void add(const AgentEvent& event) {
    add_actor(event.agent, TraceActor::Kind::thread);
    using From = AgentEvent::Kind;
    using To = TraceEvent::Kind;
    const To kind = event.kind == From::made ? To::spawn : event.kind == From::woken ? To::wake : To::end;
    trace_.events.push_back({.kind = kind,
                             .step = event.step,
                             .time_ns = event.time_ns,
                             .who = event.who,
                             .other = event.agent,
                             .text = {},
                             .where = {},
                             .task_state = {},
                             .region_state = {}});
  }

  // What is equal stays in its order. (std::stable_sort uses what clang refuses as deprecated.)
  void sort_events() {
    std::vector<std::tuple<std::uint64_t, Place, std::size_t>> order;
    for (std::size_t i = 0; i < trace_.events.size(); ++i)
      order.emplace_back(trace_.events[i].step, place_of(trace_.events[i]), i);
    std::ranges::sort(order);
    std::vector<TraceEvent> sorted;
    sorted.reserve(order.size());
    for (const auto& [step, place, i] : order) sorted.push_back(std::move(trace_.events[i]));
    trace_.events = std::move(sorted);
  }

  void add_steps() {
    std::int64_t now_ns = 0;
    for (const Trace& line : engine_.trace()) {
      const auto event = [&](TraceEvent::Kind kind) {
        TraceEvent made;
        made.kind = kind;
        made.step = line.step;
        made.time_ns = line.time_ns;
        return made;
      };
      if (line.time_ns != now_ns) trace_.events.push_back(event(TraceEvent::Kind::time));
      now_ns = line.time_ns;
      add_actor(line.agent, TraceActor::Kind::thread);
      add_actor(line.doing.object, TraceActor::Kind::object);
      TraceEvent step = event(TraceEvent::Kind::step);
      step.who = line.agent;
      step.other = line.doing.object;
      step.text = line.doing.verb;
      if (line.doing.object != LogicalId{}) step.text += ' ' + name_of(line.doing.object);
      step.where = tells_caller(line.doing.where) ? text_of(line.doing.where) : line.caller;
      trace_.events.push_back(std::move(step));
    }
  }

  const Engine& engine_;
  RunTrace trace_;
  std::unordered_set<std::uint64_t> known_;
  std::unordered_map<std::uint64_t, std::string> names_;
};

}  // namespace

RunTrace make_run_trace(const Engine& engine, RunTrace known) { return Maker(engine, std::move(known)).make(); }

}  // namespace quiesce::lab::detail
