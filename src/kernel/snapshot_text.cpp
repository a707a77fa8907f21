// What snapshots say: lines, dumps, JSON, and the log's line of a slow close.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <ostream>
#include <span>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/snapshot.hpp"

namespace quiesce {
namespace {

std::string milliseconds(Duration duration) {
  return fmt::format("{:.3f}ms", static_cast<double>(duration.count()) / 1e6);
}

/// A JSON string literal (RFC 8259, section 7).
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

std::string describe(const TaskSnapshot& task) {
  std::string line =
      fmt::format("{} {} ({}) {}", task.role, task.path, to_string(task.id), to_string(task.phase));
  if (task.failed_unjoined) line += ", failed and not joined";
  if (!task.waiting_for.empty())
    line += fmt::format(", waits for {} since {}", task.wait_text(), milliseconds(task.waiting));
  line += fmt::format(", age {}, {} steps", milliseconds(task.age), task.steps);
  return line;
}

/// Those that differ in nothing but who they are and how long they have waited; in the order of the first of each.
std::vector<std::vector<const TaskSnapshot*>> alike_in(const RegionSnapshot& region) {
  std::vector<std::vector<const TaskSnapshot*>> groups;
  std::map<std::string, std::size_t> known;
  for (const TaskSnapshot& task : region.tasks) {
    std::string key =
        fmt::format("{}|{}|{}|{}", task.role, to_string(task.phase), task.failed_unjoined, task.wait_text());
    for (const AwaitSite& site : task.stack)  // one literal each: the address tells
      key += fmt::format("|{}:{}:{}", static_cast<const void*>(site.function.data()), site.line, site.column);
    const auto [at, is_new] = known.try_emplace(std::move(key), groups.size());
    if (is_new) groups.emplace_back();
    groups[at->second].push_back(&task);
  }
  return groups;
}

/// One line for tasks that are alike.
std::string describe(std::span<const TaskSnapshot* const> alike) {
  constexpr std::size_t named_max = 3;
  const TaskSnapshot& first = *alike.front();
  if (alike.size() == 1) return describe(first);
  std::string names;
  for (const TaskSnapshot* task : alike.first(std::min(alike.size(), named_max)))
    names += (names.empty() ? "" : ", ") + task->path;
  if (alike.size() > named_max) names += ", …";
  std::string line = fmt::format("{} of {} ({}) {}", alike.size(), first.role, names, to_string(first.phase));
  if (first.failed_unjoined) line += ", failed and not joined";
  if (first.waiting_for.empty()) return line;
  const auto [least, most] = std::ranges::minmax(alike, {}, &TaskSnapshot::waiting);
  return line + fmt::format(", each waits for {} since {} to {}", first.wait_text(),
                            milliseconds(least->waiting), milliseconds(most->waiting));
}

std::string describe(const RegionSnapshot& region) {
  std::string line =
      fmt::format("region {} ({}) {}", region.path, to_string(region.id), to_string(region.state));
  line += fmt::format(", live {}, owed {}, finalizers {}, obligations {}, age {}", region.live, region.owed,
                      region.finalizers, region.obligations, milliseconds(region.age));
  if (region.cancel_reason) line += ", cancelled: " + to_string(*region.cancel_reason);
  return line;
}

std::string json_of(const HolderSnapshot& holder) {
  return fmt::format(R"({{"id":{},"path":{}}})", quoted(to_string(holder.id)), quoted(holder.path));
}

std::string json_of(const AwaitSite& site) {
  return fmt::format(R"({{"function":{},"file":{},"line":{},"column":{}}})", quoted(site.function),
                     quoted(site.file), site.line, site.column);
}

template <class Element>
std::string json_list(const std::vector<Element>& elements) {
  std::string out = "[";
  for (const Element& element : elements) out += (out.size() > 1 ? "," : "") + json_of(element);
  return out + "]";
}

std::string json_of(const TaskSnapshot& task) {
  const std::string waiting_on = task.waiting_on.kind.empty()
                                     ? "null"
                                     : fmt::format(R"({{"kind":{},"name":{}}})", quoted(task.waiting_on.kind),
                                                   quoted(task.waiting_on.name));
  return fmt::format(
      R"({{"id":{},"path":{},"role":{},"phase":{},"cancel_requested":{},"waiting_for":{},"waiting_ns":{},"waiting_on":{},"holders":{},"holder_count":{},"stack":{},"stack_is_cut":{},"age_ns":{},"steps":{},"failed_unjoined":{}}})",
      quoted(to_string(task.id)), quoted(task.path), quoted(task.role), quoted(to_string(task.phase)),
      task.cancel_requested, quoted(task.waiting_for), task.waiting.count(), waiting_on,
      json_list(task.holders), task.holder_count, json_list(task.stack), task.stack_is_cut, task.age.count(),
      task.steps, task.failed_unjoined);
}

std::string json_of(const RegionSnapshot& region) {
  std::string out = fmt::format(
      R"({{"id":{},"path":{},"state":{},"depth":{},"live":{},"owed":{},"finalizers":{},"obligations":{},"age_ns":{},"cancel_reason":{},"tasks":[)",
      quoted(to_string(region.id)), quoted(region.path), quoted(to_string(region.state)), region.depth,
      region.live, region.owed, region.finalizers, region.obligations, region.age.count(),
      region.cancel_reason ? quoted(to_string(*region.cancel_reason)) : "null");
  for (std::size_t i = 0; i < region.tasks.size(); ++i) {
    if (i != 0) out += ',';
    out += json_of(region.tasks[i]);
  }
  return out + "]}";
}

}  // namespace

std::string TaskSnapshot::wait_text() const {
  std::string text = waiting_for;
  std::string keepers;
  for (const HolderSnapshot& holder : holders)
    keepers += (keepers.empty() ? "" : ", ") + (holder.path.empty() ? to_string(holder.id) : holder.path);
  if (holder_count > holders.size()) keepers += fmt::format(" and {} others", holder_count - holders.size());
  if (waiting_on.kind == "region") return fmt::format("{}: {}", text, waiting_on.name);
  if (waiting_on.kind == "task") return fmt::format("{}: {}", text, keepers);
  if (!waiting_on.name.empty()) text += fmt::format(" \"{}\"", waiting_on.name);
  return keepers.empty() ? text : text + ", held by " + keepers;
}

const char* to_string(RegionState state) noexcept {
  switch (state) {
    case RegionState::Open: return "Open";
    case RegionState::Closing: return "Closing";
    case RegionState::Draining: return "Draining";
    case RegionState::Finalizing: return "Finalizing";
    case RegionState::Closed: return "Closed";
  }
  return "unknown";
}
const char* to_string(TaskPhase phase) noexcept {
  switch (phase) {
    case TaskPhase::Created: return "Created";
    case TaskPhase::Running: return "Running";
    case TaskPhase::CancelRequested: return "CancelRequested";
    case TaskPhase::Cancelling: return "Cancelling";
    case TaskPhase::Finalizing: return "Finalizing";
    case TaskPhase::Completed: return "Completed";
  }
  return "unknown";
}
std::ostream& operator<<(std::ostream& out, RegionState state) { return out << to_string(state); }
std::ostream& operator<<(std::ostream& out, TaskPhase phase) { return out << to_string(phase); }

std::size_t Snapshot::task_count() const {
  std::size_t count = 0;
  for (const RegionSnapshot& region : regions) count += region.tasks.size();
  return count;
}

std::string Snapshot::text() const {
  std::string out;
  for (const RegionSnapshot& region : regions) {
    const std::string indent(2 * region.depth, ' ');
    out += indent + describe(region) + "\n";
    for (const TaskSnapshot& task : region.tasks) out += indent + "  " + describe(task) + "\n";
  }
  return out;
}

std::string Snapshot::dump() const {
  std::string out;
  for (const RegionSnapshot& region : regions) {
    const std::string indent(2 * region.depth, ' ');
    out += indent + describe(region) + "\n";
    for (const std::vector<const TaskSnapshot*>& alike : alike_in(region)) {
      out += indent + "  " + describe(alike) + "\n";
      for (const AwaitSite& site : alike.front()->stack)
        out +=
            fmt::format("{}      {} at {}:{}:{}\n", indent, site.function, site.file, site.line, site.column);
      if (alike.front()->stack_is_cut) out += indent + "      …\n";
    }
  }
  return out;
}

std::string Snapshot::json() const {
  std::string out = "{\"regions\":[";
  for (std::size_t i = 0; i < regions.size(); ++i) {
    if (i != 0) out += ',';
    out += json_of(regions[i]);
  }
  return out + "]}";
}

std::ostream& operator<<(std::ostream& out, const Snapshot& snapshot) { return out << snapshot.text(); }

namespace detail {

// Compilers write it out: "quiesce::Task<int> app::fetch(int) [with …]", and g++ names the coroutine's actor instead of the function:
// "void app::fetch(app::fetch(int)::_Z….Frame*)".
std::string_view name_of_function(std::string_view text) noexcept {
  const auto opening = [&](char open, char close) {  // of the group that ends the text
    int depth = 0;
    for (std::size_t i = text.size(); i-- > 0;) {
      if (text[i] == close) ++depth;
      if (text[i] == open && --depth == 0) return i;
    }
    return std::string_view::npos;
  };
  if (text.ends_with(']')) {
    const std::size_t at = opening('[', ']');
    if (at != std::string_view::npos && at > 0) text = text.substr(0, text[at - 1] == ' ' ? at - 1 : at);
  }
  for (std::string_view last : {" noexcept", " const", " &&", " &"}) {
    if (text.ends_with(last)) text.remove_suffix(last.size());
  }
  if (text.ends_with(')')) {
    const std::size_t at = opening('(', ')');
    if (at != std::string_view::npos) text = text.substr(0, at);
  }
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '<' || c == '(' || c == '{') ++depth;
    if (c == ')' || c == '}' || (c == '>' && (i == 0 || text[i - 1] != '-'))) --depth;
    const bool is_operator = text.substr(0, i).ends_with("operator");
    if (c == ' ' && depth == 0 && !is_operator) begin = i + 1;
  }
  return text.substr(begin);
}

void Kernel::warn_slow_close(RegionRef region) noexcept {
  if (config_.log == nullptr) return;
  constexpr std::size_t lines_max = 16;
  Snapshot snapshot = take_snapshot({region}, executor_->now());
  std::size_t told = 0;
  for (const RegionSnapshot& part : snapshot.regions) {
    for (const TaskSnapshot& task : part.tasks) {
      if (task.failed_unjoined || ++told > lines_max) continue;
      const std::string age = milliseconds(task.age);
      const std::string wait = task.waiting_for.empty() ? "nothing: it runs or is queued" : task.wait_text();
      const std::string place =
          task.stack.empty() ? "" : fmt::format("{}:{}", task.stack.front().file, task.stack.front().line);
      const LogField fields[] = {{"region", snapshot.regions.front().path},
                                 {"task", task.path},
                                 {"task_region", part.path},
                                 {"waits_for", wait},
                                 {"awaits_at", place},
                                 {"age", age}};
      config_.log->write(LogLevel::Warn, "the close of a region takes long", fields);
      report_metric(metrics(), [&](MetricsProvider& to) { to.task_stuck_detected(task.id, task.age); });
    }
  }
}

}  // namespace detail
}  // namespace quiesce
