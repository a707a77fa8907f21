#include "where.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "quiesce/panic_isolation.hpp"

namespace quiesce::lab::detail {

namespace {

bool is_ours_or_standard(std::string_view file) {
  constexpr std::array folders = {"/include/c++/", "/quiesce/lab/", "/quiesce/detail/lab/", "/src/lab/"};
  return std::ranges::any_of(folders, [&](std::string_view folder) { return file.find(folder) != file.npos; });
}

std::string_view base_name(std::string_view file) { return file.substr(file.rfind('/') + 1); }

}  // namespace

std::string text_of(std::source_location where) {
  if (where.line() == 0) return {};
  return std::string(base_name(where.file_name())) + ':' + std::to_string(where.line());
}

std::string at_text(std::source_location where) {
  const std::string text = text_of(where);
  return text.empty() ? text : " at " + text;
}

bool tells_caller(std::source_location where) {
  return where.line() != 0 && !is_ours_or_standard(where.file_name());
}

// A line of a stack trace is "#0 function at file:line", or without the place.
std::string find_caller() {
  const std::string trace = quiesce::detail::capture_stack_trace(1);
  std::string_view rest = trace;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const auto at = line.rfind(" at ");
    if (at == line.npos) continue;
    const std::string_view place = line.substr(at + 4);
    if (!is_ours_or_standard(place)) return std::string(base_name(place));
  }
  return {};
}

}  // namespace quiesce::lab::detail
