#pragma once
// Started<V>: how a task that was begun with scope.start tells that it is up.
//
//   q::Task<> serve(q::Cx cx, q::Started<int> started, Config config) {
//     Listener listener = ...;
//     started(listener.port());          // the caller of start goes on
//     ...
//   }
//   auto [handle, port] = co_await scope.start<int>(cx, serve, config);
// Move-only in spirit: calling it twice keeps the first value. Thread-safe. Not a cancel point.
#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>

#include "quiesce/detail/kernel/spin_lock.hpp"
#include "quiesce/detail/scope/combinators.hpp"
#include "quiesce/handle.hpp"
#include "quiesce/sendable.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

namespace detail {

struct StartedWaiterBase {
  SpinLock<> lock;
  Waiter waiter;  // under lock: the task in `start`, while it waits
  bool called = false;
  void announce() noexcept;  // claims the waiter
};

template <class V>
struct StartedState : StartedWaiterBase {
  std::optional<V> value;  // under lock
};

/// As WaitAny for one task, and ends too when `started` was called.
struct StartedAwaiter;
struct WaitStarted {
  using quiesce_awaiter = StartedAwaiter;
  StartedWaiterBase& state;
  TaskRecord* task;
};
struct StartedAwaiter {
  WaitStarted what;
  bool cancelled = false;
  explicit StartedAwaiter(const WaitStarted& wait) : what(wait) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> self) noexcept {
    return start(*self.promise().task);
  }
  /// True: cancelled while waiting.
  bool await_resume() const noexcept { return cancelled; }
  bool start(TaskRecord& task) noexcept;
};

}  // namespace detail

template <class V = void>
class Started {
  using Value = detail::ValueOrUnit<V>;

 public:
  Started() : state_(std::make_shared<detail::StartedState<Value>>()) {}
  template <class... U>
  void operator()(U&&... value) const {
    {
      std::scoped_lock hold(state_->lock);
      if (state_->called) return;
      state_->value.emplace(std::forward<U>(value)...);
      state_->called = true;
    }
    state_->announce();
  }
  const std::shared_ptr<detail::StartedState<Value>>& state() const { return state_; }

 private:
  std::shared_ptr<detail::StartedState<Value>> state_;
};
template <class V>
inline constexpr bool enable_sendable<Started<V>> = true;

/// What `scope.start` gives.
template <class V, class T, class E>
struct StartResult {
  TaskHandle<T, E> handle;
  detail::ValueOrUnit<V> value;
};

namespace detail {

template <class V, class T, class E>
Task<StartResult<V, T, E>> start_task(ScopeCore scope, CxCore cx,
                                      std::expected<TaskHandle<T, E>, SpawnError> spawned,
                                      std::shared_ptr<StartedState<ValueOrUnit<V>>> state) {
  using Result = StartResult<V, T, E>;
  TaskHandle<T, E> handle = co_await std::move(spawned);
  std::array<TaskRecord*, 1> records = records_of(handle);
  if (auto misuse = combinator_misuse(scope, cx, records, "start")) co_await fail(std::move(*misuse));
  bool cancelled = co_await WaitStarted{*state, records[0]};
  if (cancelled) {
    request_all(records,
                CancelReason::parent_cancelled("the start was cancelled").with_cause(calling_reason()));
    co_await drain(records);
    auto finish = end_cancelled(records).template as<Result>();
    co_await std::move(finish);
  }
  std::optional<ValueOrUnit<V>> value;
  {
    std::scoped_lock hold(state->lock);
    value = std::move(state->value);
  }
  if (!value) {  // it ended first: its failure is the caller's
    Outcome<T, E> outcome = take_outcome(handle);
    if (outcome.is_ok()) co_await fail(Error(ErrorCode::User, "the task ended without calling started"));
    FinishWith<Result, Error> finish(std::move(outcome).template failure_as<Result, Error>());
    co_await std::move(finish);
  }
  co_return Result{std::move(handle), std::move(*value)};
}

}  // namespace detail
}  // namespace quiesce
