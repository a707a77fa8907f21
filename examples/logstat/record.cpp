#include "record.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace logstat {
namespace {

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

/// What stands before `mark`; `text` goes on behind it.
std::optional<std::string_view> take_until(std::string_view& text, char mark) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view before = text.substr(0, at);
  text.remove_prefix(at + 1);
  return before;
}

}  // namespace

std::optional<Record> parse(std::string_view line) {
  std::string_view rest = line;
  if (!take_until(rest, '"')) return std::nullopt;
  std::optional<std::string_view> request = take_until(rest, '"');
  if (!request || rest.empty() || rest.front() != ' ') return std::nullopt;
  rest.remove_prefix(1);
  Record record;
  if (!take_until(*request, ' ')) return std::nullopt;  // the method
  record.path = std::string(request->substr(0, request->find(' ')));
  const auto status = take_until(rest, ' ');
  const std::string_view size = rest.substr(0, rest.find(' '));
  if (!status || !read_number(*status, record.status)) return std::nullopt;
  if (size != "-" && !read_number(size, record.bytes)) return std::nullopt;
  return record;
}

void Totals::add(const Record& record) {
  bytes += record.bytes;
  ++by_status[record.status];
  ++by_path[record.path];
}

void Totals::print(std::size_t paths_max) const {
  fmt::print("lines {}\nunreadable {}\nbytes {}\n", lines, unreadable, bytes);
  for (const auto& [status, count] : by_status) fmt::print("status {} {}\n", status, count);
  std::vector<std::pair<std::string, std::uint64_t>> paths(by_path.begin(), by_path.end());
  std::stable_sort(paths.begin(), paths.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  paths.resize(std::min(paths.size(), paths_max));
  for (const auto& [path, count] : paths) fmt::print("path {} {}\n", count, path);
}

}  // namespace logstat
