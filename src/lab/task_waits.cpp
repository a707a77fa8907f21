#include "task_waits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <vector>

#include "quiesce/detail/kernel/look.hpp"
#include "quiesce/detail/kernel/snapshot.hpp"
#include "quiesce/detail/kernel/wait.hpp"
#include "where.hpp"

namespace quiesce::lab::detail {

using namespace quiesce::detail;

namespace {

/// More than these are only counted.
constexpr std::size_t named_max = 20, places_max = 8;

struct Waiting {
  std::string text;   // "task 0.1 waits for …"
  std::string place;  // "task 0.1 awaits at app.cpp:12 in app.cpp:30", innermost first; empty: not known
  std::vector<LogicalId> on;
  enum class Walk : std::uint8_t { New, Open, Over } walk = Walk::New;
};
using Graph = std::map<LogicalId, Waiting>;

std::string name_of(const TaskRecord& task) { return "task " + task.path.to_string(); }

std::string names_of(std::span<TaskRecord* const> tasks) {
  std::string text;
  for (const TaskRecord* task : tasks) text += (text.empty() ? "" : " or ") + name_of(*task);
  return text;
}

/// Its asynchronous stack, as far as it is a task that sleeps.
std::string place_of(TaskRecord& task) {
  const auto wait = glance_at_wait(task);
  const auto seen = wait ? look_at_wait(task, wait->epoch) : std::nullopt;
  if (!seen || seen->place_count == 0) return {};
  std::string text = name_of(task) + " awaits";
  for (std::size_t i = 0; i < std::min<std::size_t>(seen->place_count, places_max); ++i) {
    text += (i == 0 ? " at " : " in ") + text_of(std::bit_cast<std::source_location>(seen->places[i]));
  }
  return seen->is_cut || seen->place_count > places_max ? text + " in …" : text;
}

/// The regions that the task has opened and not left, and the tasks in them.
std::string wait_for_regions(TaskRecord& task, Waiting& waiting) {
  std::string text;
  TaskExtra* rare = task.extra.load();
  if (rare == nullptr) return "a region to close";
  for (RegionRecord* region = rare->opened; region != nullptr; region = region->opened_next) {
    text += fmt::format("{}region {} to close", text.empty() ? "" : " and ", region->path.to_string());
    for (RegionShard& shard : region->shards) {
      for (TaskRecord* member = first_member(shard.members); member != nullptr; member = next_member(*member))
        waiting.on.push_back(member->logical());
    }
  }
  return text;
}

/// A primitive by its name, and the tasks that keep it.
std::string wait_for_subject(const LeafOps& wait, const WaitSubject& subject, Waiting& waiting) {
  std::string text = fmt::format("waits for {}", wait.what);
  if (subject.name != nullptr) text += fmt::format(" \"{}\"", subject.name);
  std::string holders;
  for (std::size_t i = 0; i < std::min<std::size_t>(subject.holder_count, subject.holders.size()); ++i) {
    const TaskRecord* holder = TaskSlab::find(subject.holders[i].index);
    if (holder == nullptr || holder->id() != subject.holders[i]) continue;
    waiting.on.push_back(holder->logical());
    holders += (holders.empty() ? "" : " and ") + name_of(*holder);
  }
  return holders.empty() ? text : text + ", held by " + holders;
}

Waiting wait_of(TaskRecord& task, const Engine& engine) {
  Waiting waiting;
  const auto says = [&](std::string_view what) { waiting.text = fmt::format("{} {}", name_of(task), what); };
  if (auto blocked = engine.wait_of(task.logical())) {
    says(blocked->text);
    if (blocked->on != LogicalId{}) waiting.on.push_back(blocked->on);
    return waiting;
  }
  const LeafOps* wait = task.waits_for();
  if (wait == nullptr) return waiting;
  if (wait->looks_at != nullptr) {
    const TaskRecord* ending = wait->looks_at(task.wait.data);
    waiting.on.push_back(ending->logical());
    says("waits for the end of " + name_of(*ending));
  } else if (wait->branches != nullptr) {
    const auto branches = wait->branches(task.wait.data);
    for (const TaskRecord* branch : branches) waiting.on.push_back(branch->logical());
    says("waits for the end of " + names_of(branches));
  } else if (!wait->escalates && task.extra.load() != nullptr && task.extra.load()->opened != nullptr) {
    const std::string regions = wait_for_regions(task, waiting);
    says("waits for " + regions);
  } else if (wait->subject != nullptr) {
    says(wait_for_subject(*wait, wait->subject(task.wait.data), waiting));
  } else {
    says(fmt::format("waits for {}", wait->what));
  }
  return waiting;
}

Graph graph_of(Kernel& kernel, const Engine& engine) {
  Graph graph;
  for (const RegionSnapshot& region : take_snapshot(kernel.roots(), kernel.executor().now()).regions) {
    for (const TaskSnapshot& seen : region.tasks) {
      TaskRecord* task = TaskSlab::find(seen.id.index);
      if (task == nullptr || task->word.load().done()) continue;
      Waiting waiting = wait_of(*task, engine);
      if (waiting.text.empty()) continue;
      waiting.place = place_of(*task);
      graph.emplace(task->logical(), std::move(waiting));
    }
  }
  return graph;
}

/// Depth first; true: `cycle` holds the ring, from where it was entered.
bool find_cycle(Graph& graph, LogicalId id, std::vector<LogicalId>& cycle) {
  const auto found = graph.find(id);
  if (found == graph.end() || found->second.walk == Waiting::Walk::Over) return false;
  if (found->second.walk == Waiting::Walk::Open) {
    cycle.erase(cycle.begin(), std::ranges::find(cycle, id));
    return true;
  }
  found->second.walk = Waiting::Walk::Open;
  cycle.push_back(id);
  for (LogicalId next : found->second.on) {
    if (find_cycle(graph, next, cycle)) return true;
  }
  cycle.pop_back();
  found->second.walk = Waiting::Walk::Over;
  return false;
}

}  // namespace

std::string describe_waits(Kernel& kernel, const Engine& engine) {
  Graph graph = graph_of(kernel, engine);
  std::vector<LogicalId> cycle;
  for (const auto& [id, waiting] : graph) {
    if (find_cycle(graph, id, cycle)) break;
  }
  std::string text, places;
  const auto add_place = [&](const Waiting& waiting) {
    if (!waiting.place.empty()) places += "; " + waiting.place;
  };
  for (LogicalId id : cycle) {
    text += (text.empty() ? "in a cycle " : ", ") + graph.at(id).text;
    add_place(graph.at(id));
  }
  const char* separator = cycle.empty() ? "" : "; besides, ";
  std::size_t named = 0;
  for (const auto& [id, waiting] : graph) {
    if (std::ranges::find(cycle, id) != cycle.end()) continue;
    if (++named > named_max) continue;
    text += std::exchange(separator, ", ") + waiting.text;
    add_place(waiting);
  }
  if (named > named_max) text += fmt::format(", and {} others wait", named - named_max);
  return text + places;
}

}  // namespace quiesce::lab::detail
