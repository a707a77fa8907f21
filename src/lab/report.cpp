#include "quiesce/lab/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "schedule.hpp"
#include "where.hpp"

namespace quiesce::lab {

namespace detail {

namespace {

/// Of a schedule longer than both together the lines between them are left out.
constexpr std::size_t first_lines = 50;
constexpr std::size_t last_lines = 200;

enum Column : std::uint8_t { StepNumber, TimePassed, Who, What, Place };
constexpr std::size_t columns = Place + 1;
using Row = std::array<std::string, columns>;

Row row_of(const Engine& engine, const Trace& trace) {
  Row row;
  row[StepNumber] = std::to_string(trace.step);
  if (trace.time_ns != 0) row[TimePassed] = fmt::format("{:.6f} s", static_cast<double>(trace.time_ns) * 1e-9);
  row[Who] = engine.name_of(trace.agent);
  row[What] = trace.doing.verb;
  if (trace.doing.object != LogicalId{}) row[What] += ' ' + engine.name_of(trace.doing.object);
  row[Place] = tells_caller(trace.doing.where) ? text_of(trace.doing.where) : trace.caller;
  return row;
}

std::string table(const std::vector<Row>& rows) {
  std::array<std::size_t, columns> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line = fmt::format("{:>{}}", row[StepNumber], widths[StepNumber]);
    for (std::size_t i = TimePassed; i < columns; ++i) {
      if (widths[i] > 0) line += fmt::format("  {:<{}}", row[i], widths[i]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return text;
}

}  // namespace

std::string schedule_text(const Engine& engine, const Failure& failure) {
  const auto trace = engine.trace();
  std::vector<Row> rows{{"step", "", "who", "does", "at"}};
  const auto add = [&](std::span<const Trace> part) {
    std::ranges::transform(part, std::back_inserter(rows),
                           [&](const Trace& line) { return row_of(engine, line); });
  };
  if (trace.size() <= first_lines + last_lines) {
    add(trace);
  } else {
    add(trace.first(first_lines));
    rows.push_back({"…", "", "", fmt::format("{} steps", trace.size() - first_lines - last_lines), ""});
    add(trace.last(last_lines));
  }
  if (std::ranges::any_of(trace, [](const Trace& line) { return line.time_ns != 0; }))
    rows.front()[TimePassed] = "time";
  return table(rows) + fmt::format("then: {}{}\n", to_string(failure.kind), at_text(failure.where));
}

}  // namespace detail

std::string Report::text() const {
  std::string text = fmt::format("{} runs, {} steps, {} classes, longest run {} steps, {:.0f} runs/s", runs,
                                 steps, classes, max_depth, runs_per_second());
  if (blocked_runs > 0) text += fmt::format(", {} runs blocked", blocked_runs);
  if (ambient_reads > 0) text += fmt::format(", {} calls of clocks or randomness from outside", ambient_reads);
  if (thread_id_reads > 0)
    text += fmt::format(", {} looks at the thread's id, which another process has another of", thread_id_reads);
  if (exhausted) text += ", every schedule seen";
  if (!first_failure) return text + ", no failure\n";
  const FoundFailure& found = *first_failure;
  text += fmt::format(", {} failed\n", failures);
  text +=
      fmt::format("{} in run {} at step {}: {}\n", to_string(found.kind), found.run, found.step, found.message);
  if (!found.schedule.empty()) text += '\n' + found.schedule + '\n';
  if (!found.token.empty()) text += "run it again with the token " + found.token + '\n';
  if (!found.crash_pack.empty()) text += "its crash pack is " + found.crash_pack + '\n';
  if (!found.crash_pack_error.empty()) text += "no crash pack was written: " + found.crash_pack_error + '\n';
  return text;
}

}  // namespace quiesce::lab
