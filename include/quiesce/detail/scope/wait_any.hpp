#pragma once
// The wait under every combinator: until any of some tasks has ended, a time has come, or a request is seen.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "quiesce/cx.hpp"
#include "quiesce/detail/coro/promise.hpp"

namespace quiesce::detail {

enum class WaitEnd : std::uint8_t { Completed, TimeReached, Cancelled };

struct WaitAnyAwaiter;

/// The waiting task registers the same value with every task as its joiner; the first claim wins, the others fail harmlessly.
/// `uncancellable`: a drain, which no request ends. Never ends the coroutine; the caller acts on what it gives.
struct WaitAny {
  using quiesce_awaiter = WaitAnyAwaiter;
  std::span<TaskRecord* const> tasks;
  std::optional<Time> until = {};
  bool uncancellable = false;
};

struct WaitAnyAwaiter {
  WaitAny what;
  WaitEnd end = WaitEnd::Completed;
  bool timed = false;
  WakeTimer timer;

  explicit WaitAnyAwaiter(const WaitAny& wait) : what(wait) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> self) noexcept {
    return start(*self.promise().task);
  }
  WaitEnd await_resume() const noexcept { return end; }
  bool start(TaskRecord& task) noexcept;
  bool any_done() const noexcept;
};

}  // namespace quiesce::detail
