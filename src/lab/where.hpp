#pragma once
// Places in the source, as reports show them.
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <vector>

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
/// The addresses of calls on this stack: cheap, and without locks. `find_caller` of them, later, is as find_caller() now.
std::vector<std::uintptr_t> note_calls();
std::string find_caller(std::span<const std::uintptr_t> calls);

}  // namespace quiesce::lab::detail
