// Stack traces for panics, on libbacktrace, which comes with the compiler (libgcc's development package; link
// `backtrace`).
//
// It reads DWARF in the process: names, files, lines and inlined calls, without -rdynamic, without addr2line
// and without starting a process. It is used directly, not through Boost.Stacktrace: Boost's libbacktrace
// backend keeps one state per thread, about 20 MB that can never be freed, for each thread that ever took a
// trace; its other backends give bare addresses or run addr2line per frame. Here one state serves the process,
// under a lock.
#include <cxxabi.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>

#include "quiesce/panic_isolation.hpp"

// The library's interface, declared here because its header lies in a directory of gcc's own that clang does
// not search.
extern "C" {
struct backtrace_state;
using backtrace_error_callback = void (*)(void* data, const char* message, int error);
using backtrace_simple_callback = int (*)(void* data, std::uintptr_t pc);
using backtrace_full_callback = int (*)(void* data, std::uintptr_t pc, const char* file, int line,
                                        const char* function);
using backtrace_syminfo_callback = void (*)(void* data, std::uintptr_t pc, const char* symbol,
                                            std::uintptr_t value, std::uintptr_t size);
backtrace_state* backtrace_create_state(const char* file, int threaded, backtrace_error_callback, void* data);
int backtrace_simple(backtrace_state*, int skip, backtrace_simple_callback, backtrace_error_callback,
                     void* data);
int backtrace_pcinfo(backtrace_state*, std::uintptr_t pc, backtrace_full_callback, backtrace_error_callback,
                     void* data);
int backtrace_syminfo(backtrace_state*, std::uintptr_t address, backtrace_syminfo_callback,
                      backtrace_error_callback, void* data);
}

namespace quiesce::detail {
namespace {

constexpr std::size_t max_frames = 64;
// What the unwinder gives as the caller of the outermost function.
constexpr std::uintptr_t end_of_stack = ~std::uintptr_t{0};

// Missing debug information is no error here: the frame is then printed by what is known of it.
void ignore_error(void*, const char*, int) {}

std::string demangle(const char* symbol) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> readable(abi::__cxa_demangle(symbol, nullptr, nullptr, &status),
                                                        std::free);
  return status == 0 && readable ? readable.get() : symbol;
}

std::string hexadecimal(std::uintptr_t value) {
  char digits[2 * sizeof(value)];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), value, 16).ptr;
  return "0x" + std::string(digits, end);
}

struct TraceWriter {
  backtrace_state* state;
  std::string text;
  std::size_t frames = 0;
  bool described = false;
  // Of the frame, where its function is told by the symbols alone: clang's line tables (-g1) know places only.
  const char* file = nullptr;
  int line = 0;

  // Runs between frames of C, which no exception may cross: without memory for a line the trace ends where it
  // is.
  void add(const char* symbol, std::uintptr_t pc, const char* in_file, int at_line) noexcept {
    if (frames == max_frames) return;
    described = true;
    try {
      std::string next =
          '#' + std::to_string(frames) + ' ' + (symbol != nullptr ? demangle(symbol) : hexadecimal(pc));
      if (in_file != nullptr) next += std::string(" at ") + in_file + ':' + std::to_string(at_line);
      text += next += '\n';
      ++frames;
    } catch (...) { frames = max_frames; }
  }

  static int on_source(void* data, std::uintptr_t pc, const char* file, int line, const char* function) {
    auto& writer = *static_cast<TraceWriter*>(data);
    if (function != nullptr) {
      writer.add(function, pc, file, line);
    } else {
      writer.file = file;
      writer.line = line;
    }
    return 0;
  }
  static void on_symbol(void* data, std::uintptr_t pc, const char* symbol, std::uintptr_t, std::uintptr_t) {
    auto& writer = *static_cast<TraceWriter*>(data);
    writer.add(symbol, pc, writer.file, writer.line);
  }
  static int on_frame(void* data, std::uintptr_t pc) {
    if (pc == end_of_stack) return 1;
    auto& writer = *static_cast<TraceWriter*>(data);
    writer.described = false;
    writer.file = nullptr;
    backtrace_pcinfo(writer.state, pc, on_source, ignore_error, data);
    if (!writer.described) backtrace_syminfo(writer.state, pc, on_symbol, ignore_error, data);
    if (!writer.described) writer.add(nullptr, pc, writer.file, writer.line);
    return writer.frames == max_frames ? 1 : 0;
  }
};

constinit std::mutex mutex;

// Under the mutex. Null where the program cannot be read.
backtrace_state* the_state() {
  static backtrace_state* const state = backtrace_create_state(nullptr, 0, ignore_error, nullptr);
  return state;
}

}  // namespace

std::string describe_frames(std::span<const std::uintptr_t> frames) {
  const std::lock_guard lock(mutex);
  TraceWriter writer{the_state(), {}};
  if (writer.state == nullptr) return {};
  for (const std::uintptr_t pc : frames) {
    if (TraceWriter::on_frame(&writer, pc) != 0) break;
  }
  return std::move(writer.text);
}

std::string capture_stack_trace(std::size_t skip) {
  const std::lock_guard lock(mutex);
  TraceWriter writer{the_state(), {}};
  if (writer.state == nullptr) return {};
  backtrace_simple(writer.state, static_cast<int>(skip) + 1, TraceWriter::on_frame, ignore_error, &writer);
  return std::move(writer.text);
}

}  // namespace quiesce::detail
