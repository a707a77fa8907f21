// Logging: where the library says what went wrong.
//
// A LogSink is handed to whoever logs (the runtime builder, a PanicIsolator); there is no process-wide logger.
// The library writes few lines: an isolated panic, a region that reached its panic threshold, a close that
// takes too long. Each line is a fixed message plus fields, so that a structured sink can keep ids as ids.
//
// Promises: `write` never throws; what an implementation throws is swallowed, since a broken log must not end a
// task. Thread-safety: `write` is called from any thread, concurrently; an implementation synchronises itself.
// The views it is given are valid only during the call. No library lock is held while it runs.
//
//   auto sink = quiesce::make_spdlog_sink();                       // stderr, Info and above
//   const quiesce::LogField fields[] = {{"region", "R3.1"}};
//   sink->write(quiesce::LogLevel::Warn, "close is slow", fields); // close is slow region=R3.1
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quiesce {

enum class LogLevel : std::uint8_t { Trace, Debug, Info, Warn, Error, Critical };

std::string_view to_string(LogLevel level) noexcept;
std::ostream& operator<<(std::ostream& out, LogLevel level);

struct LogField {
  std::string_view key;
  std::string_view value;
};

class LogSink {
 public:
  virtual ~LogSink() = default;
  LogSink(const LogSink&) = delete;
  LogSink& operator=(const LogSink&) = delete;

  // False when a line of this level would be dropped, so that the caller need not build its fields.
  [[nodiscard]] virtual bool is_enabled(LogLevel level) const noexcept;

  void write(LogLevel level, std::string_view message, std::span<const LogField> fields = {}) noexcept;

 protected:
  LogSink() = default;

 private:
  virtual void do_write(LogLevel level, std::string_view message, std::span<const LogField> fields) = 0;
};

// `message key=value other="two words"`: one line whatever the parts contain. A value with a space, a quote or
// a control character is quoted and escaped, and control characters in the message are escaped, so text from an
// exception cannot forge a second line.
[[nodiscard]] std::string format_log_line(std::string_view message, std::span<const LogField> fields);

// Sinks on top of spdlog, which stays out of this header. Each has a logger of its own that is not entered into
// spdlog's registry. Lines carry spdlog's time stamp and the level.
[[nodiscard]] std::shared_ptr<LogSink> make_spdlog_sink(LogLevel minimum = LogLevel::Info);  // to stderr
// Appends to `path`, creating it and its directories; throws std::runtime_error when it cannot be opened.
[[nodiscard]] std::shared_ptr<LogSink> make_spdlog_file_sink(const std::string& path,
                                                             LogLevel minimum = LogLevel::Info);

// Keeps what was written, for tests. Holds at most `capacity` lines; later ones are counted as dropped.
class MemoryLogSink final : public LogSink {
 public:
  struct Record {
    LogLevel level = LogLevel::Info;
    std::string message;
    std::vector<std::pair<std::string, std::string>> fields;

    // The value of the first field of that name; empty when there is none.
    [[nodiscard]] std::string_view field(std::string_view key) const noexcept;
    [[nodiscard]] std::string line() const;  // as format_log_line
  };

  static constexpr std::size_t default_capacity = 10'000;

  explicit MemoryLogSink(std::size_t capacity = default_capacity);
  ~MemoryLogSink() override;

  [[nodiscard]] std::vector<Record> records() const;
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::size_t dropped() const;
  void clear();

 private:
  void do_write(LogLevel level, std::string_view message, std::span<const LogField> fields) override;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quiesce
