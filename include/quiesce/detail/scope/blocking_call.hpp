#pragma once
// A job of the blocking pool that is a task of its region.
#include <concepts>
#include <exception>
#include <expected>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/kernel/blocking_job.hpp"
#include "quiesce/detail/kernel/records.hpp"
#include "quiesce/sendable.hpp"
#include "quiesce/task.hpp"

namespace quiesce::detail {

/// An argument as the function receives it: decayed, out of its UnsafeSend if it has one.
template <class A>
unwrapped_t<std::decay_t<A>> receive_argument(A&& argument) {
  std::decay_t<A> stored(std::forward<A>(argument));
  return unwrap_unsafe(stored);
}

struct BlockingCallBase : BlockingJob {
  TaskRecord& task;
  explicit BlockingCallBase(TaskRecord& record) : task(record) {
    run = [](BlockingJob* job) noexcept { run_call(*static_cast<BlockingCallBase*>(job)); };
    discard = [](BlockingJob* job) noexcept { delete static_cast<BlockingCallBase*>(job); };
  }
  virtual ~BlockingCallBase() = default;
  /// Runs the function and puts its result into the record.
  virtual void invoke() = 0;

 private:
  static void run_call(BlockingCallBase& call) noexcept;
};

template <class T, class E, class F, class CxType, class... Args>
struct BlockingCall final : BlockingCallBase {
  CxType cx;
  F function;
  std::tuple<Args...> arguments;

  template <class G, class... A>
  BlockingCall(TaskRecord& record, CxType context, G&& f, A&&... args)
      : BlockingCallBase(record),
        cx(context),
        function(std::forward<G>(f)),
        arguments(std::forward<A>(args)...) {}

  void invoke() override {
    using Result = RecordResult<T, E>;
    auto call = [&](Args&... stored) -> decltype(auto) { return function(cx, unwrap_unsafe(stored)...); };
    using Returned = decltype(std::apply(call, arguments));
    if constexpr (std::is_void_v<Returned>) {
      std::apply(call, arguments);
      Result::put(task, Outcome<T, E>::ok());
    } else if constexpr (std::same_as<std::remove_cv_t<Returned>, std::expected<T, E>>) {
      Result::put(task, Outcome<T, E>(std::apply(call, arguments)));
    } else if constexpr (std::same_as<std::remove_cv_t<Returned>, Outcome<T, E>>) {
      Result::put(task, std::apply(call, arguments));
    } else {
      Result::put(task, Outcome<T, E>::ok(std::apply(call, arguments)));
    }
  }
};

}  // namespace quiesce::detail
