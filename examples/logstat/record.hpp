#pragma once
// One line of an access log in the common log format, and what is summed up over many.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace logstat {

struct Record {
  std::string path;
  int status = 0;
  std::uint64_t bytes = 0;
};

/// `1.2.3.4 - - [10/Oct/2026:13:55:36 +0000] "GET /index.html HTTP/1.1" 200 2326`; nullopt: not of that form.
std::optional<Record> parse(std::string_view line);

struct Totals {
  std::uint64_t lines = 0, unreadable = 0, bytes = 0;
  std::map<int, std::uint64_t> by_status;
  std::map<std::string, std::uint64_t> by_path;

  void add(const Record& record);
  void print(std::size_t paths_max) const;
};

}  // namespace logstat
