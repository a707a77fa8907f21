#include "quiesce/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <latch>
#include <stdexcept>
#include <thread>

namespace quiesce {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class LogFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove(path_); }
  void TearDown() override { std::filesystem::remove(path_); }

  std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) / ("quiesce_log_test_" + std::to_string(::getpid()) + ".log");
};

TEST(LogLine, is_the_message_and_its_fields) {
  const LogField fields[] = {{"region", "R3.1"}, {"age", "2.000s"}};
  EXPECT_EQ(format_log_line("close is slow", fields), "close is slow region=R3.1 age=2.000s");
  EXPECT_EQ(format_log_line("nothing else", {}), "nothing else");
}

TEST(LogLine, quotes_what_would_be_ambiguous) {
  const LogField fields[] = {
      {"a", "two words"}, {"b", ""}, {"c", "say \"hi\""}, {"d", "k=v"}, {"e", "back\\slash"}};
  EXPECT_EQ(format_log_line("m", fields), R"(m a="two words" b="" c="say \"hi\"" d="k=v" e="back\\slash")");
}

TEST(LogLine, stays_one_line_whatever_is_in_it) {
  const LogField fields[] = {{"text", "a\nb\r\t\x01\x7f"}};
  EXPECT_EQ(format_log_line("first\nsecond", fields), R"(first\nsecond text="a\nb\r\t\x01\x7f")");
}

TEST(LogLine, keeps_text_that_is_not_ascii) {
  const LogField fields[] = {{"name", "größe"}};
  EXPECT_EQ(format_log_line("é", fields), "é name=größe");
}

TEST_F(LogFile, gets_level_message_and_fields) {
  {
    const auto sink = make_spdlog_file_sink(path_.string());
    const LogField fields[] = {{"region", "R3.1"}};
    sink->write(LogLevel::Warn, "close is slow {}", fields);
  }
  EXPECT_THAT(read_file(path_), EndsWith("[quiesce] [warning] close is slow {} region=R3.1\n"));
}

TEST_F(LogFile, drops_what_is_below_the_minimum) {
  {
    const auto sink = make_spdlog_file_sink(path_.string(), LogLevel::Error);
    EXPECT_FALSE(sink->is_enabled(LogLevel::Warn));
    EXPECT_TRUE(sink->is_enabled(LogLevel::Error));
    EXPECT_TRUE(sink->is_enabled(LogLevel::Critical));
    sink->write(LogLevel::Warn, "too small");
    sink->write(LogLevel::Error, "large enough");
  }
  EXPECT_THAT(read_file(path_), HasSubstr("large enough"));
  EXPECT_THAT(read_file(path_), Not(HasSubstr("too small")));
}

TEST_F(LogFile, that_cannot_be_opened_is_an_error) {
  std::filesystem::create_directory(path_);
  EXPECT_THROW((void)make_spdlog_file_sink(path_.string()), std::runtime_error);
}

TEST(LogToStderr, is_the_default) {
  const auto sink = make_spdlog_sink();
  EXPECT_FALSE(sink->is_enabled(LogLevel::Debug));
  testing::internal::CaptureStderr();
  sink->write(LogLevel::Error, "to the terminal");
  sink->write(LogLevel::Debug, "not shown");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("to the terminal"));
  EXPECT_THAT(text, Not(HasSubstr("not shown")));
}

TEST(LogSinkBase, swallows_what_an_implementation_throws) {
  struct Broken final : LogSink {
    int calls = 0;

   private:
    void do_write(LogLevel, std::string_view, std::span<const LogField>) override {
      ++calls;
      throw std::runtime_error("no disk");
    }
  } broken;
  broken.write(LogLevel::Info, "x");
  EXPECT_EQ(broken.calls, 1);
  static_assert(noexcept(broken.write(LogLevel::Info, "x")));
}

TEST(MemoryLogSink, keeps_records) {
  MemoryLogSink sink;
  const LogField fields[] = {{"region", "R3.1"}, {"why", "too slow"}};
  sink.write(LogLevel::Warn, "close is slow", fields);
  const auto records = sink.records();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].level, LogLevel::Warn);
  EXPECT_EQ(records[0].message, "close is slow");
  EXPECT_EQ(records[0].field("why"), "too slow");
  EXPECT_EQ(records[0].field("absent"), "");
  EXPECT_EQ(records[0].line(), "close is slow region=R3.1 why=\"too slow\"");
  sink.clear();
  EXPECT_EQ(sink.size(), 0U);
}

TEST(MemoryLogSink, counts_what_does_not_fit) {
  MemoryLogSink sink(2);
  for (int i = 0; i < 5; ++i) sink.write(LogLevel::Info, std::to_string(i));
  EXPECT_EQ(sink.size(), 2U);
  EXPECT_EQ(sink.records().back().message, "1");
  EXPECT_EQ(sink.dropped(), 3U);
}

TEST(MemoryLogSink, may_be_written_from_many_threads) {
  constexpr int threads_count = 4;
  constexpr int lines = 500;
  MemoryLogSink sink;
  std::latch start(threads_count);
  std::vector<std::jthread> threads;
  for (int t = 0; t < threads_count; ++t) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (int i = 0; i < lines; ++i) sink.write(LogLevel::Info, "line");
    });
  }
  threads.clear();
  EXPECT_EQ(sink.size(), static_cast<std::size_t>(threads_count * lines));
}

TEST(LogLevel, prints_its_name) {
  EXPECT_EQ(to_string(LogLevel::Trace), "trace");
  EXPECT_EQ(to_string(LogLevel::Debug), "debug");
  EXPECT_EQ(to_string(LogLevel::Info), "info");
  EXPECT_EQ(to_string(LogLevel::Warn), "warn");
  EXPECT_EQ(to_string(LogLevel::Error), "error");
  EXPECT_EQ(to_string(LogLevel::Critical), "critical");
}

}  // namespace
}  // namespace quiesce
