// QUIESCE_ASSERT(condition, message): an invariant of the library, checked in every build.
//
// A false condition prints file, line, condition and message to stderr and aborts: it means that the library
// itself (or memory under it) is broken, so no state that follows could be trusted. What a user can cause is an
// Error, not this. `message` is anything convertible to std::string_view and is evaluated only on failure, so
// ids may be put into it:
//   QUIESCE_ASSERT(live > 0, "region " + to_string(id) + " has no live task to release");
#pragma once

#include <string_view>

namespace quiesce::detail {

[[noreturn]] void assertion_failed(const char* file, int line, const char* condition,
                                   std::string_view message) noexcept;

/// Is told of a failed assertion on this thread first, if there is one. It may end the failing function's thread of control (a run of
/// the lab gives it up); if it returns the process aborts as ever.
using AssertionWatcher = void (*)(const char* file, int line, const char* condition, std::string_view message);
extern constinit thread_local AssertionWatcher assertion_watcher;

}  // namespace quiesce::detail

#define QUIESCE_ASSERT(condition, message)                                          \
  do {                                                                              \
    if (!(condition)) [[unlikely]] {                                                \
      ::quiesce::detail::assertion_failed(__FILE__, __LINE__, #condition, message); \
    }                                                                               \
  } while (false)
