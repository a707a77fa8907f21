#include "where.hpp"

#include <unwind.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "quiesce/panic_isolation.hpp"

namespace quiesce::lab::detail {

namespace {

bool is_ours_or_standard(std::string_view file) {
  constexpr std::array folders = {"/include/c++/", "-linux-gnu/c++/", "/quiesce/lab/", "/quiesce/detail/lab/",
                                  "/src/lab/"};
  return std::ranges::any_of(folders, [&](std::string_view folder) { return file.find(folder) != file.npos; });
}

std::string_view base_name(std::string_view file) { return file.substr(file.rfind('/') + 1); }

// A line of a stack trace is "#0 function at file:line", or without the place.
std::string first_caller(std::string_view trace) {
  while (!trace.empty()) {
    const std::string_view line = trace.substr(0, trace.find('\n'));
    trace.remove_prefix(std::min(trace.size(), line.size() + 1));
    const auto at = line.rfind(" at ");
    if (at == line.npos) continue;
    const std::string_view place = line.substr(at + 4);
    if (!is_ours_or_standard(place)) return std::string(base_name(place));
  }
  return {};
}

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

std::string find_caller() { return first_caller(quiesce::detail::capture_stack_trace(1)); }

std::string find_caller(const Calls& calls) {
  return first_caller(quiesce::detail::describe_frames(std::span(calls.addresses).first(calls.count)));
}

void note_calls(Calls& into) noexcept {
  const auto note = [](_Unwind_Context* frame, void* calls) {
    auto& noted = *static_cast<Calls*>(calls);
    const std::uintptr_t returns_to = _Unwind_GetIP(frame);
    if (noted.count == Calls::max || returns_to == 0) return _URC_END_OF_STACK;
    noted.addresses[noted.count++] = returns_to - 1;  // in the call, not behind it
    return _URC_NO_REASON;
  };
  into.count = 0;
  _Unwind_Backtrace(note, &into);
}

}  // namespace quiesce::lab::detail
