#include "quiesce/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <ostream>
#include <stdexcept>

namespace quiesce {

std::string_view to_string(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::Trace: return "trace";
    case LogLevel::Debug: return "debug";
    case LogLevel::Info: return "info";
    case LogLevel::Warn: return "warn";
    case LogLevel::Error: return "error";
    case LogLevel::Critical: return "critical";
  }
  return "unknown";
}

std::ostream& operator<<(std::ostream& out, LogLevel level) { return out << to_string(level); }

bool LogSink::is_enabled(LogLevel) const noexcept { return true; }

void LogSink::write(LogLevel level, std::string_view message, std::span<const LogField> fields) noexcept {
  if (!is_enabled(level)) return;
  try {
    do_write(level, message, fields);
  } catch (...) {}
}

namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

void append_escaped(std::string& out, char c) {
  static constexpr std::string_view digits = "0123456789abcdef";
  switch (c) {
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  out += "\\x";
  out += digits[static_cast<unsigned char>(c) >> 4];
  out += digits[static_cast<unsigned char>(c) & 0xf];
}

void append_value(std::string& out, std::string_view value) {
  const bool plain = !value.empty() && value.find_first_of(" \"\\=") == std::string_view::npos &&
                     std::none_of(value.begin(), value.end(), is_control);
  if (plain) {
    out += value;
    return;
  }
  out += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    if (is_control(c)) {
      append_escaped(out, c);
    } else {
      out += c;
    }
  }
  out += '"';
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::Trace: return spdlog::level::trace;
    case LogLevel::Debug: return spdlog::level::debug;
    case LogLevel::Info: return spdlog::level::info;
    case LogLevel::Warn: return spdlog::level::warn;
    case LogLevel::Error: return spdlog::level::err;
    case LogLevel::Critical: return spdlog::level::critical;
  }
  return spdlog::level::critical;
}

class SpdlogSink final : public LogSink {
 public:
  SpdlogSink(spdlog::sink_ptr sink, LogLevel minimum) : logger_("quiesce", std::move(sink)) {
    logger_.set_level(to_spdlog(minimum));
    logger_.flush_on(spdlog::level::warn);
  }
  ~SpdlogSink() override { logger_.flush(); }

  [[nodiscard]] bool is_enabled(LogLevel level) const noexcept override {
    return logger_.should_log(to_spdlog(level));
  }

 private:
  void do_write(LogLevel level, std::string_view message, std::span<const LogField> fields) override {
    const std::string line = format_log_line(message, fields);
    logger_.log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
  }

  spdlog::logger logger_;
};

}  // namespace

std::string format_log_line(std::string_view message, std::span<const LogField> fields) {
  std::string line;
  for (const char c : message) {
    if (is_control(c)) {
      append_escaped(line, c);
    } else {
      line += c;
    }
  }
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    append_value(line, field.value);
  }
  return line;
}

std::shared_ptr<LogSink> make_spdlog_sink(LogLevel minimum) {
  return std::make_shared<SpdlogSink>(std::make_shared<spdlog::sinks::stderr_color_sink_mt>(), minimum);
}

std::shared_ptr<LogSink> make_spdlog_file_sink(const std::string& path, LogLevel minimum) {
  try {
    return std::make_shared<SpdlogSink>(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path), minimum);
  } catch (const spdlog::spdlog_ex& error) {
    throw std::runtime_error("cannot open the log file: " + std::string(error.what()));
  }
}

std::string_view MemoryLogSink::Record::field(std::string_view key) const noexcept {
  for (const auto& [name, value] : fields) {
    if (name == key) return value;
  }
  return {};
}

std::string MemoryLogSink::Record::line() const {
  std::vector<LogField> views;
  views.reserve(fields.size());
  for (const auto& [name, value] : fields) views.push_back(LogField{name, value});
  return format_log_line(message, views);
}

struct MemoryLogSink::State {
  explicit State(std::size_t capacity_) : capacity(capacity_) {}

  const std::size_t capacity;
  mutable std::mutex mutex;
  std::deque<Record> records;
  std::size_t dropped = 0;
};

MemoryLogSink::MemoryLogSink(std::size_t capacity) : state_(std::make_unique<State>(capacity)) {}
MemoryLogSink::~MemoryLogSink() = default;

void MemoryLogSink::do_write(LogLevel level, std::string_view message, std::span<const LogField> fields) {
  Record record;
  record.level = level;
  record.message = std::string(message);
  for (const LogField& field : fields) record.fields.emplace_back(field.key, field.value);
  const std::lock_guard lock(state_->mutex);
  if (state_->records.size() < state_->capacity) {
    state_->records.push_back(std::move(record));
  } else {
    ++state_->dropped;
  }
}

std::vector<MemoryLogSink::Record> MemoryLogSink::records() const {
  const std::lock_guard lock(state_->mutex);
  return {state_->records.begin(), state_->records.end()};
}

std::size_t MemoryLogSink::size() const {
  const std::lock_guard lock(state_->mutex);
  return state_->records.size();
}

std::size_t MemoryLogSink::dropped() const {
  const std::lock_guard lock(state_->mutex);
  return state_->dropped;
}

void MemoryLogSink::clear() {
  const std::lock_guard lock(state_->mutex);
  state_->records.clear();
  state_->dropped = 0;
}

}  // namespace quiesce
