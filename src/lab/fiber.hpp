#pragma once
// A function on a stack of its own, which can be left in the middle and gone on with later.
//
//   Fiber fiber(64 * 1024);
//   fiber.start(entry, argument);
//   fiber.resume();              // entry(argument) runs until it calls fiber.suspend() or returns
//
// A fiber whose function has returned is idle and may be started again: stacks are made once. Below each stack
// lies a guard page, so that an overflow faults instead of writing into something else. Exceptions in flight
// belong to the fiber, not to the thread; a fiber stays on the thread that made it. Boost.Context switches; the
// sanitizers are told.
#include <cstddef>

namespace quiesce::lab::detail {

class Fiber {
 public:
  using Entry = void (*)(void* argument);

  /// Throws std::bad_alloc where no stack can be mapped.
  explicit Fiber(std::size_t stack_bytes);
  /// The stack of a fiber that is not idle is given back as it is: nothing on it is destroyed.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Of an idle fiber: what the next resume begins.
  void start(Entry entry, void* argument) noexcept {
    entry_ = entry;
    argument_ = argument;
  }
  bool is_idle() const noexcept { return entry_ == nullptr; }
  void resume() noexcept;
  /// From inside: `resume` returns.
  void suspend() noexcept;

 private:
  /// As the C++ ABI lays it out (Itanium C++ ABI, exception handling, 2.2.2).
  struct ExceptionState {
    void* caught = nullptr;
    unsigned uncaught = 0;
  };
  struct SanitizerState {
    void* fake_stack = nullptr;         // of the side that was left
    const void* home_bottom = nullptr;  // the stack that resumed
    std::size_t home_bytes = 0;
    void* thread = nullptr;  // as the thread sanitizer sees the two sides
    void* home_thread = nullptr;
  };

  void run() noexcept;
  void leave(bool for_good) noexcept;
  void swap_exceptions(void* globals) noexcept;

  char* mapping_;
  std::size_t stack_bytes_;
  void* context_ = nullptr;  // where to go on inside
  void* home_ = nullptr;     // where to go on outside
  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  ExceptionState exceptions_;
  SanitizerState sanitizer_;
};

}  // namespace quiesce::lab::detail
