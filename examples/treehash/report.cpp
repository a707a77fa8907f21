#include "report.hpp"

#include <fmt/format.h>
#include <quiesce/cancel.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <utility>

#include "descriptor.hpp"
#include "progress.hpp"

namespace treehash {
namespace {

namespace q = quiesce;

/// Hashes what it prints.
class SumPrinter {
 public:
  SumPrinter() { sha256_.start(); }

  void print(const std::string& line) {
    sha256_.update(std::as_bytes(std::span(line)));
    put(line);
  }
  /// True when all was written.
  bool end(std::string_view title) {
    put(fmt::format("# {}: {}\n", title, to_hex(sha256_.finish())));
    if (std::fflush(stdout) != 0) failed_ = true;
    return !failed_;
  }

 private:
  void put(std::string_view text) {
    if (!failed_ && std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) failed_ = true;
  }

  Sha256 sha256_;
  bool failed_ = false;
};

std::string count(std::uint64_t number, std::string_view singular, std::string_view plural) {
  return fmt::format("{} {}", number, number == 1 ? singular : plural);
}

bool past_deadline(const q::Outcome<>& ended) {
  return ended.is_cancelled() && ended.cancel_reason().root_kind() == q::CancelKind::Deadline;
}

/// Empty when it went through to the end.
std::string why_stopped(const q::Outcome<>& ended) {
  if (past_deadline(ended)) return "stopped by the deadline";
  return ended.visit([] { return std::string(); },
                     [](const q::Error& error) { return "stopped at the first failure: " + error.message(); },
                     [](const q::CancelReason& reason) { return reason.root_cause().message(); },
                     [](const q::PanicPayload& panic) { return "a task failed: " + panic.message(); });
}

std::string amounts(const RunState& run, std::chrono::nanoseconds taken) {
  const auto bytes = static_cast<double>(run.progress.bytes_done);
  const double seconds = std::max(1e-9, std::chrono::duration<double>(taken).count());
  std::string text = fmt::format("{} hashed of {} found, {} in {:.2f} s ({}/s)", run.hashed(),
                                 count(run.progress.files_found, "file", "files"), format_bytes(bytes), seconds,
                                 format_bytes(bytes / seconds));
  if (run.troubles() > 0) text += fmt::format(", {} not read", run.troubles());
  const std::uint64_t links = run.progress.links_skipped, specials = run.progress.specials_skipped;
  if (links > 0) text += fmt::format(", {} skipped", count(links, "link", "links"));
  if (specials > 0) text += fmt::format(", {} skipped", count(specials, "special file", "special files"));
  return text;
}

std::string what_ran(const q::RuntimeStats& stats) {
  return fmt::format("{}, {}, {} isolated", count(stats.tasks_spawned, "task", "tasks"),
                     count(stats.regions_opened, "region", "regions"),
                     count(stats.panics_isolated, "panic", "panics"));
}

}  // namespace

std::string sum_line(const HashedFile& file) {
  std::string name;
  for (const char c : file.path) {
    switch (c) {
      case '\\': name += "\\\\"; break;
      case '\n': name += "\\n"; break;
      case '\r': name += "\\r"; break;
      default: name += c;
    }
  }
  const bool escaped = name.size() != file.path.size();
  return fmt::format("{}{}  {}\n", escaped ? "\\" : "", to_hex(file.digest), name);
}

bool print_sums(std::vector<HashedFile> files, bool complete, Console& console) {
  std::ranges::sort(files, {}, [](const HashedFile& file) -> std::string_view { return file.path; });
  SumPrinter printer;
  for (const HashedFile& file : files) printer.print(sum_line(file));
  errno = 0;
  if (printer.end(complete ? "tree" : "incomplete tree")) return true;
  console.say("treehash: stdout: " + reason_of(errno == 0 ? EIO : errno));
  return false;
}

bool print_summary(RunState& run, const q::Outcome<>& ended, const q::Runtime& runtime,
                   std::chrono::nanoseconds taken) {
  const q::RuntimeStats stats = runtime.stats();
  const q::Snapshot left = runtime.snapshot();
  const bool all_ended = left.regions.empty() && stats.tasks_completed == stats.tasks_spawned &&
                         stats.regions_closed == stats.regions_opened;
  const std::string why = why_stopped(ended);
  run.console.say(fmt::format("treehash: {}{}", why.empty() ? "" : why + "; ", amounts(run, taken)));
  run.console.say(fmt::format("treehash: ran {}; {}", what_ran(stats),
                              all_ended
                                  ? "all have ended, nothing is left running"
                                  : fmt::format("{} tasks and {} regions HAVE NOT ENDED:\n{}",
                                                stats.tasks_spawned - stats.tasks_completed,
                                                stats.regions_opened - stats.regions_closed, left.text())));
  return all_ended;
}

Status status_of(const RunState& run, const q::Outcome<>& ended) {
  if (past_deadline(ended)) return Status::DeadlinePassed;
  if (ended.is_cancelled() && run.interrupted.load()) return Status::Interrupted;
  return ended.is_ok() && run.troubles() == 0 ? Status::AllHashed : Status::SomeUnread;
}

}  // namespace treehash
