#pragma once
// lab::check(condition, "what should hold"): in a run of the lab a false condition is the run's failure, with
// the schedule that led to it. Outside of a run it aborts the process, as an assertion does.
#include <source_location>
#include <string_view>

namespace quiesce::lab {

namespace detail {
void check_failed(std::string_view message, std::source_location where);
}

inline void check(bool condition, std::string_view message,
                  std::source_location where = std::source_location::current()) {
  if (!condition) [[unlikely]]
    detail::check_failed(message, where);
}

}  // namespace quiesce::lab
