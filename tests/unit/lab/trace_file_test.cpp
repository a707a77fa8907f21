// The trace as a file: that it comes back as it was, and what is said of files that are not whole.
#include "quiesce/lab/trace_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "quiesce/lab/explore_threads.hpp"

namespace quiesce::lab {
namespace {

using ErrorKind = TraceFileError::Kind;
using testing::HasSubstr;

bool is_same(const TraceActor& a, const TraceActor& b) {
  return a.id == b.id && a.kind == b.kind && a.name == b.name && a.region == b.region;
}

bool is_same(const TraceEvent& a, const TraceEvent& b) {
  return a.kind == b.kind && a.worker == b.worker && a.step == b.step && a.time_ns == b.time_ns &&
         a.who == b.who && a.other == b.other && a.text == b.text && a.where == b.where &&
         a.task_state == b.task_state && a.region_state == b.region_state;
}

bool is_same(const RunTrace& a, const RunTrace& b) {
  const auto same = [](const auto& x, const auto& y) { return is_same(x, y); };
  return std::ranges::equal(a.actors, b.actors, same) && std::ranges::equal(a.events, b.events, same);
}

/// Text with what JSON has to escape, and what is more than a byte.
rc::Gen<std::string> any_text() {
  return rc::gen::map(
      rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
          "a", "Z", " ", "\"", "\\", "/", "</script>", "\n", "\x01", "é", "…", "\U0001F980", "{")),
      [](const std::vector<std::string>& parts) {
        std::string text;
        for (const std::string& part : parts) text += part;
        return text;
      });
}

TraceActor any_actor() {
  return {.id = LogicalId{*rc::gen::arbitrary<std::uint64_t>()},
          .kind = static_cast<TraceActor::Kind>(
              *rc::gen::inRange(0, static_cast<int>(TraceActor::Kind::object) + 1)),
          .name = *any_text(),
          .region = LogicalId{*rc::gen::arbitrary<std::uint64_t>()}};
}

TraceEvent any_event() {
  TraceEvent event;
  event.kind =
      static_cast<TraceEvent::Kind>(*rc::gen::inRange(0, static_cast<int>(TraceEvent::Kind::note) + 1));
  event.worker = *rc::gen::arbitrary<std::uint32_t>();
  event.step = *rc::gen::arbitrary<std::uint64_t>();
  event.time_ns = *rc::gen::arbitrary<std::int64_t>();
  event.who = LogicalId{*rc::gen::arbitrary<std::uint64_t>()};
  event.other = LogicalId{*rc::gen::arbitrary<std::uint64_t>()};
  event.text = *any_text();
  event.where = *any_text();
  event.task_state = *any_text();
  event.region_state = *any_text();
  return event;
}

RunTrace any_trace() {
  RunTrace trace;
  for (int i = *rc::gen::inRange(0, 6); i > 0; --i) trace.actors.push_back(any_actor());
  for (int i = *rc::gen::inRange(0, 12); i > 0; --i) trace.events.push_back(any_event());
  return trace;
}

TraceHeader any_header() {
  return {.token = *any_text(),
          .failure_kind = *any_text(),
          .failure_message = *any_text(),
          .failure_step = *rc::gen::arbitrary<std::uint64_t>(),
          .options = *any_text(),
          .program = *any_text(),
          .build_id = *any_text(),
          .compiler = *any_text()};
}

std::string written(const RunTrace& trace, const TraceHeader& header = {}) {
  std::ostringstream out;
  write_trace(out, trace, header);
  return out.str();
}

std::expected<TraceFile, TraceFileError> read(const std::string& text) {
  std::istringstream in(text);
  return read_trace(in, "some.qtrace");
}

RC_GTEST_PROP(LabTraceFile, WhatIsWrittenIsReadAgain, ()) {
  const RunTrace trace = any_trace();
  const TraceHeader header = any_header();
  const auto file = read(written(trace, header));
  RC_ASSERT(file.has_value());
  RC_ASSERT(file->header == header);
  RC_ASSERT(is_same(file->trace, trace));
}

RC_GTEST_PROP(LabTraceFile, AFileThatIsCutOffAnywhereIsAnError, ()) {
  const std::string whole = written(any_trace(), any_header());
  // All but the last line's end, without which it is still whole.
  const auto file =
      read(whole.substr(0, static_cast<std::size_t>(*rc::gen::inRange<std::size_t>(0, whole.size() - 1))));
  RC_ASSERT(!file.has_value());
  RC_ASSERT(file.error().kind == ErrorKind::truncated || file.error().kind == ErrorKind::not_a_trace);
  RC_ASSERT(file.error().message.find("some.qtrace") == 0);
}

/// Three threads' worth of lines: 1 header, 2 and 3 actors, 4 to 6 events, 7 end.
std::vector<std::string> lines_of_small_trace() {
  RunTrace trace;
  trace.actors = {{.id = LogicalId{1}, .kind = TraceActor::Kind::thread, .name = "main", .region = {}},
                  {.id = LogicalId{2}, .kind = TraceActor::Kind::object, .name = "mutex m", .region = {}}};
  for (std::uint64_t step = 0; step < 3; ++step) {
    TraceEvent event;
    event.kind = TraceEvent::Kind::step;
    event.step = step;
    event.who = LogicalId{1};
    trace.events.push_back(event);
  }
  std::istringstream text(written(trace));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

std::expected<TraceFile, TraceFileError> read_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  return read(text);
}

void expect_error(const std::expected<TraceFile, TraceFileError>& file, ErrorKind kind, std::uint64_t line,
                  const std::string& says) {
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(file.error().kind, kind) << to_string(file.error().kind);
  EXPECT_EQ(file.error().line, line);
  EXPECT_THAT(file.error().message, HasSubstr(says));
  if (line > 0) {
    EXPECT_THAT(file.error().message, HasSubstr("some.qtrace, line " + std::to_string(line) + ": "));
  }
}

TEST(LabTraceFile, EachBadLineIsNamed) {
  const auto lines = lines_of_small_trace();
  ASSERT_EQ(lines.size(), 7u);
  ASSERT_TRUE(read_lines(lines).has_value());
  const auto with = [&](std::size_t line, const std::string& text) {
    auto changed = lines;
    changed[line - 1] = text;
    return read_lines(changed);
  };
  expect_error(with(1, "# a note"), ErrorKind::not_a_trace, 1, "this is no trace");
  expect_error(with(1, R"({"name":"x"})"), ErrorKind::not_a_trace, 1, "this is no trace");
  expect_error(with(1, R"({"qtrace":2})"), ErrorKind::wrong_version, 1,
               "the trace is of version 2 of the format, and this program reads version 1");
  expect_error(with(4, R"({"event":"step",)"), ErrorKind::corrupted, 4, "this is no JSON object");
  expect_error(with(4, "[]"), ErrorKind::corrupted, 4, "this is no JSON object");
  expect_error(with(4, R"({"event":"leap"})"), ErrorKind::corrupted, 4, "there is no event 'leap'");
  expect_error(with(3, R"({"actor":"ghost"})"), ErrorKind::corrupted, 3, "there is no actor 'ghost'");
  expect_error(with(5, R"({"event":"step","step":-1})"), ErrorKind::corrupted, 5,
               "'step' is no number that could stand there");
  expect_error(with(5, R"({"event":"step","worker":4294967296})"), ErrorKind::corrupted, 5,
               "'worker' is no number");
  expect_error(with(5, R"({"event":"step","step":1.5})"), ErrorKind::corrupted, 5, "'step' is no number");
  expect_error(with(5, R"({"event":"step","who":"zz"})"), ErrorKind::corrupted, 5, "'who' is no id: zz");
  expect_error(with(5, R"({"event":"step","text":7})"), ErrorKind::corrupted, 5, "'text' is no text");
  expect_error(with(6, R"({"other":"1"})"), ErrorKind::corrupted, 6, "it is neither an actor nor an event");
}

TEST(LabTraceFile, AFileThatIsNotWholeIsKnown) {
  auto lines = lines_of_small_trace();
  auto without = lines;
  without.erase(without.begin() + 4);
  expect_error(read_lines(without), ErrorKind::truncated, 6,
               "it should have 2 actors and 3 events, and has 2 and 2");
  lines.pop_back();
  expect_error(read_lines(lines), ErrorKind::truncated, 6, "is cut off: it has 2 actors and 3 events");
  expect_error(read(""), ErrorKind::not_a_trace, 0, "some.qtrace is empty");
}

TEST(LabTraceFile, FilesThatCannotBeReadOrWrittenSayWhy) {
  const auto folder =
      std::filesystem::path(testing::TempDir()) / ("quiesce_trace_file_test_" + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  expect_error(read_trace(folder / "none.qtrace"), ErrorKind::unreadable, 0,
               "none.qtrace cannot be read: No such file or directory");
  expect_error(read_trace(folder), ErrorKind::unreadable, 0, "cannot be read: it is a directory");
  const auto nowhere = write_trace(folder / "no" / "such.qtrace", {}, {});
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_EQ(nowhere.error().kind, ErrorKind::unwritable);
  EXPECT_THAT(nowhere.error().message, HasSubstr("such.qtrace cannot be written: No such file or directory"));
  const auto full = write_trace("/dev/full", {}, {});
  ASSERT_FALSE(full.has_value());
  EXPECT_THAT(full.error().message, HasSubstr("/dev/full cannot be written"));
  ASSERT_TRUE(write_trace(folder / "good.qtrace", {},
                          {.token = "t",
                           .failure_kind = {},
                           .failure_message = {},
                           .options = {},
                           .program = {},
                           .build_id = {},
                           .compiler = {}})
                  .has_value());
  EXPECT_EQ(read_trace(folder / "good.qtrace").value().header.token, "t");
  std::filesystem::remove_all(folder);
}

TEST(LabTraceFile, TextThatIsNotUtf8IsReplaced) {
  RunTrace trace;
  trace.actors.push_back({.id = LogicalId{1}, .kind = TraceActor::Kind::thread, .name = "a\xFF", .region = {}});
  const auto file = read(written(trace));
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(file->trace.actors[0].name, "a\xEF\xBF\xBD");
}

TEST(LabTraceFile, ARunOfThreadsIsAllThere) {
  const Report report = explore_threads({.strategy = exhaustive(), .max_runs = 1000}, [] {
    mutex m("m");
    atomic<int> x(0, "x");
    auto add = [&] {
      std::scoped_lock lock(m);
      x.store(x.load() + 1);
    };
    thread a(add);
    name(a, "a");
    thread b(add);
    name(b, "b");
    a.join();
    b.join();
    check(x.load() != 2, "two were added");
  });
  ASSERT_TRUE(report.failed());
  const auto trace = report.failure()->trace;
  ASSERT_NE(trace, nullptr);
  const auto id_of = [&](const std::string& name) {
    const auto actor = std::ranges::find(trace->actors, name, &TraceActor::name);
    return actor == trace->actors.end() ? LogicalId{} : actor->id;
  };
  const auto count = [&](TraceEvent::Kind kind, LogicalId who, LogicalId other) {
    return std::ranges::count_if(trace->events, [&](const TraceEvent& event) {
      return event.kind == kind && (who == LogicalId{} || event.who == who) && event.other == other;
    });
  };
  const LogicalId main = id_of("main"), a = id_of("a"), b = id_of("b");
  EXPECT_EQ(count(TraceEvent::Kind::spawn, main, a), 1);
  EXPECT_EQ(count(TraceEvent::Kind::spawn, main, b), 1);
  EXPECT_EQ(count(TraceEvent::Kind::end, a, a), 1);
  EXPECT_EQ(count(TraceEvent::Kind::end, b, b), 1);
  // Whoever main was waiting for woke it when it had ended.
  EXPECT_GE(count(TraceEvent::Kind::wake, a, main) + count(TraceEvent::Kind::wake, b, main), 1);
  EXPECT_NE(id_of("mutex m"), LogicalId{});
  EXPECT_NE(id_of("atomic x"), LogicalId{});
  std::uint64_t steps = 0;
  for (const TraceEvent& event : trace->events) {
    if (event.kind != TraceEvent::Kind::step) continue;
    EXPECT_EQ(event.step, steps++);
    if (event.text.find("atomic x") != std::string::npos) {
      EXPECT_THAT(event.where, HasSubstr("trace_file_test.cpp:"));
    }
  }
  EXPECT_GE(steps, 10u);
  EXPECT_TRUE(std::ranges::is_sorted(trace->events, {}, &TraceEvent::step));
  EXPECT_TRUE(is_same(read(written(*trace)).value().trace, *trace));
}

}  // namespace
}  // namespace quiesce::lab
