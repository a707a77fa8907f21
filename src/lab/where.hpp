#pragma once
// Places in the source, as reports show them.
#include <array>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>

namespace quiesce::lab::detail {

/// "file.cpp:12"; empty where it is unknown.
std::string text_of(std::source_location where);
/// " at file.cpp:12", or nothing.
std::string at_text(std::source_location where);

/// False: unknown, or in a header of the standard library's or the lab's, as of the lock() that a
/// std::scoped_lock calls.
bool tells_caller(std::source_location where);
/// "file.cpp:12" of the innermost frame on this stack that does; empty without debug information.
std::string find_caller();
/// Addresses of calls on a stack, the innermost first.
struct Calls {
  static constexpr std::size_t max = 24;      // those of the lab and the standard library are the innermost
  std::array<std::uintptr_t, max> addresses;  // not cleared: most are never looked at
  std::size_t count;
  Calls() noexcept : count(0) {}
};
/// Those on this stack: cheap, and without locks or memory. `find_caller` of them, later, is as find_caller() now.
void note_calls(Calls& into) noexcept;
std::string find_caller(const Calls& calls);

}  // namespace quiesce::lab::detail
