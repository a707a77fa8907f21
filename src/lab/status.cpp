#include "status.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

namespace quiesce::lab::detail {

using Json = nlohmann::ordered_json;

namespace {

std::atomic<std::uint64_t> explorations{0};

std::string line_of(Json object) {
  object["pid"] = ::getpid();
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

Json progress_of(const Report& report, Coverage::News news) {
  return {{"runs", report.runs},
          {"steps", report.steps},
          {"seconds", report.elapsed.count()},
          {"suspensions", std::move(news.suspensions)},
          {"cancel_points", std::move(news.cancel_points)},
          {"landed", std::move(news.landed)}};
}

}  // namespace

Status::Status(std::string path) : path_(std::move(path)) {}

void Status::write(const std::string& line) {
  static std::atomic<bool> told{false};
  const int file = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  const bool is_written =
      file >= 0 && ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (!is_written && !told.exchange(true))
    fmt::print(stderr, "quiesce: the status file {} cannot be written: {}\n", path_, std::strerror(errno));
  if (file >= 0) ::close(file);
}

void Status::skipped(std::string_view body) {
  if (is_wanted()) write(line_of({{"event", "skipped"}, {"body", body}}));
}

void Status::begin(std::string_view body, std::string_view mode) {
  exploration_ = explorations++;
  if (!is_wanted()) return;
  write(line_of({{"event", "begin"}, {"exploration", exploration_}, {"body", body}, {"mode", mode}}));
}

void Status::progress(const Report& so_far, Coverage::News news) {
  if (!is_wanted()) return;
  Json object{{"event", "progress"}, {"exploration", exploration_}};
  object.update(progress_of(so_far, std::move(news)));
  write(line_of(std::move(object)));
}

void Status::end(const Report& report, Coverage::News news) {
  if (!is_wanted()) return;
  if (const FoundFailure* failure = report.failure()) {
    write(line_of({{"event", "failure"},
                   {"exploration", exploration_},
                   {"kind", to_string(failure->kind)},
                   {"message", failure->message},
                   {"token", failure->token},
                   {"crash_pack", failure->crash_pack},
                   {"text", report.text()}}));
  }
  Json object{{"event", "end"}, {"exploration", exploration_}, {"failed", report.failed()}};
  object.update(progress_of(report, std::move(news)));
  write(line_of(std::move(object)));
}

}  // namespace quiesce::lab::detail
