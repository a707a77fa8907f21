#pragma once
// Awaiting what is not the library's: anything with the C++ awaiter protocol.
//
// A foreign awaiter resumes the handle it was given, on any thread, at any time. It must not run our coroutine there: it is
// given the handle of a *shim*, a tiny coroutine that claims the waiting task and suspends again. The claim is made when the
// shim is already suspended, so the task may go on elsewhere and destroy the shim at once.
// A foreign wait is stubborn: no request ends it, and it is never escalated (C10). Symmetric transfer by the foreign awaiter
// is honoured by resuming what it returns.
#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

#include "quiesce/detail/coro/promise.hpp"

namespace quiesce::detail {

class Shim {
 public:
  struct promise_type {
    TaskRecord* task;
    Waiter waiter;
    std::exception_ptr* failure = nullptr;

    Shim get_return_object() noexcept { return Shim(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept {}
    static void* operator new(std::size_t bytes) { return frame_allocate(frame_block_bytes(bytes)); }
    static void operator delete(void* block, std::size_t bytes) noexcept {
      frame_free(block, frame_block_bytes(bytes));
    }
  };

  Shim() = default;
  Shim(Shim&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Shim& operator=(Shim&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Shim() {
    if (handle_) handle_.destroy();
  }
  /// A shim for the current wait of the task.
  static Shim for_wait(TaskRecord& task);
  std::coroutine_handle<> handle() const noexcept { return handle_; }

 private:
  explicit Shim(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

extern const LeafOps foreign_wait;

template <class A>
decltype(auto) awaiter_of(A&& awaitable) {
  if constexpr (requires { std::forward<A>(awaitable).operator co_await(); }) {
    return std::forward<A>(awaitable).operator co_await();
  } else if constexpr (requires { operator co_await(std::forward<A>(awaitable)); }) {
    return operator co_await(std::forward<A>(awaitable));
  } else {
    return std::forward<A>(awaitable);
  }
}

template <class A>
concept ForeignAwaitable = requires(A&& awaitable) {
  {awaiter_of(std::forward<A>(awaitable)).await_ready()};
};

template <class A>
class ForeignAwaiter {
  static_assert(ForeignAwaitable<A>,
                "quiesce: this cannot be awaited: it is no Task, Outcome or std::expected, and has no "
                "await_ready/await_suspend/await_resume");
  using Inner = decltype(awaiter_of(std::declval<A>()));

 public:
  explicit ForeignAwaiter(A&& awaitable) : inner_(awaiter_of(std::forward<A>(awaitable))) {}
  ForeignAwaiter(const ForeignAwaiter&) = delete;
  ForeignAwaiter& operator=(const ForeignAwaiter&) = delete;

  bool await_ready() {
    ready_ = static_cast<bool>(inner_.await_ready());
    return ready_ && may_go_on();
  }

  template <class P>
  bool await_suspend(std::coroutine_handle<P> self) {
    TaskRecord& task = *self.promise().task;
    if (ready_) {
      signal(task, Signal::Yield);
      return true;
    }
    begin_wait(task, foreign_wait, this, true);
    try {
      shim_ = Shim::for_wait(task);
      std::coroutine_handle<> shim = shim_.handle();
      using Answer = decltype(inner_.await_suspend(shim));
      if constexpr (std::is_void_v<Answer>) {
        inner_.await_suspend(shim);
      } else if constexpr (std::same_as<Answer, bool>) {
        if (!inner_.await_suspend(shim)) {
          abandon_wait(task);
          return false;
        }
      } else {
        std::coroutine_handle<> next = inner_.await_suspend(shim);
        next.resume();
      }
    } catch (...) {
      abandon_wait(task);
      throw;
    }
    return true;
  }

  decltype(auto) await_resume() { return inner_.await_resume(); }

 private:
  Inner inner_;
  Shim shim_;
  bool ready_ = false;
};

}  // namespace quiesce::detail
