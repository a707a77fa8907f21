#pragma once
// ThreadPort: the way into a region for threads that run no task: a signal handler's, a GUI's, another library's.
//
//   q::ThreadPort port = co_await q::thread_port(cx, scope);     // by a task
//   ...
//   auto asked = port.spawn(ask, 41);                            // by any thread: Task<int> ask(q::Cx, int)
//   if (!asked) return;                                          // RegionClosed: too late
//   q::Outcome<int> answer = asked->wait();                      // blocks this thread, never a worker's
//
// The tasks are tasks of the scope's region like any other: cancelled with it, counted and limited by it, with its policy, and with the
// capabilities of the context that made the port. Functions, arguments and results as for spawn.
// A port is a small copyable value, sendable to any thread. It does not keep its region open: from when that begins to close, a spawn is
// refused with RegionClosed, also when the region, or the runtime, is long gone.
//   spawn(f, args...)    a ThreadHandle, or SpawnError
//   launch(f, args...)   without a handle: a failure goes to the region's policy at once
// Thread-safety: any thread, any number at once. Not cancel points, but for what `wait` waits for. Cost: a spawn and a spin lock.
#include <atomic>
#include <condition_variable>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "quiesce/scope.hpp"

namespace quiesce {

namespace detail {

/// Between a port's copies and its region. The region is looked at only while it is open to the port.
class PortState;
std::expected<std::shared_ptr<PortState>, RegionError> open_port(ScopeCore scope, CxCore cx,
                                                                 const PolicyOps* policy);
/// Admission, as begin_spawn: from then on the task holds its region open.
std::expected<TaskRecord*, SpawnError> admit_from_thread(PortState& port, bool has_handle);
/// May a thread wait for tasks of that port? Why not.
std::optional<Error> blocking_misuse(const PortState& port);
/// The handle's owner has seen how the task ended (R7); false: its region took the failure before.
bool take_ended(TaskRecord& task) noexcept;

struct PortedWait {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_waiting = false;  // a thread does
  bool is_over = false;     // the frame is gone
};
template <class T, class E>
struct Ported : PortedWait {
  std::optional<Outcome<T, E>> outcome;
};

/// In the task's frame: tells when that goes, whatever has become of the task.
template <class T, class E>
class PortedHook {
 public:
  explicit PortedHook(std::shared_ptr<Ported<T, E>> ported) noexcept : ported_(std::move(ported)) {}
  PortedHook(PortedHook&&) noexcept = default;
  PortedHook& operator=(PortedHook&&) = delete;
  ~PortedHook() {
    if (ported_ == nullptr) return;
    std::scoped_lock hold(ported_->mutex);
    ported_->is_over = true;
    ported_->changed.notify_all();
  }
  /// True: a thread waits for it, and a failure is that thread's.
  bool put(Outcome<T, E>&& ended) {
    std::scoped_lock hold(ported_->mutex);
    ported_->outcome.emplace(std::move(ended));
    ported_->changed.notify_all();
    return ported_->is_waiting;
  }

 private:
  std::shared_ptr<Ported<T, E>> ported_;
};

template <class T, class E>
Outcome<> failure_of(const Outcome<T, E>& ended) {
  return ended.is_ok() ? Outcome<>::ok() : ended.template failure_as<void, Error>();
}

template <class T, class E, class F, class... Args>
Task<> run_ported(Cx cx, PortedHook<T, E> hook, F f, Args... args) {
  auto task = f(cx, std::move(args)...);
  Outcome<T, E> ended = co_await std::move(task).outcome();
  Outcome<> own = failure_of(ended);
  const bool is_seen = hook.put(std::move(ended));
  if (is_seen && !own.is_panicked()) co_return;
  FinishWith<void, Error> finish(std::move(own));
  co_await std::move(finish);
}

template <class F, class... Args>
Task<> run_launched(Cx cx, F f, Args... args) {
  auto task = f(cx, std::move(args)...);
  (void)co_await std::move(task);
}

template <class T>
concept NoObligation = !HoldsObligation<T>;

}  // namespace detail

/// The right to the result of a task that a thread has spawned. Move-only; dropping it is as dropping a TaskHandle (S5, R7).
template <class T = void, class E = Error>
class [[nodiscard]] ThreadHandle {
 public:
  ThreadHandle(TaskHandle<> task, std::shared_ptr<detail::PortState> port,
               std::shared_ptr<detail::Ported<T, E>> ported) noexcept
      : task_(std::move(task)), port_(std::move(port)), ported_(std::move(ported)) {}

  /// Blocks the thread until the task has ended, and takes its outcome: once, then PolledAfterCompletion. On a worker it is refused with
  /// BlockingInTask, for it would stop what it waits for; a task awaits a TaskHandle instead.
  Outcome<T, E> wait();
  void abort(std::source_location at = std::source_location::current()) const { task_.abort(at); }
  void abort_with_reason(const CancelReason& reason) const { task_.abort_with_reason(reason); }
  bool is_finished() const noexcept { return task_.is_finished(); }
  TaskId task_id() const noexcept { return task_.task_id(); }

 private:
  TaskHandle<> task_;
  std::shared_ptr<detail::PortState> port_;
  std::shared_ptr<detail::Ported<T, E>> ported_;  // nullptr: taken
};

class ThreadPort {
 public:
  explicit ThreadPort(std::shared_ptr<detail::PortState> state) noexcept : state_(std::move(state)) {}

  template <class F, class... Args>
  auto spawn(F&& f, Args&&... args) const {
    using Check = detail::spawn_check<F, Cx, Args...>;
    static_assert(Check::done);
    using T = typename Check::value_type;
    using E = typename Check::error_type;
    static_assert(detail::NoObligation<T> && (detail::NoObligation<std::decay_t<Args>> && ...),
                  "quiesce: an obligation is held by a task: a thread can neither give nor take one");
    using Result = std::expected<ThreadHandle<T, E>, SpawnError>;
    auto admitted = detail::admit_from_thread(*state_, true);
    if (!admitted) return Result(std::unexpected(std::move(admitted).error()));
    detail::PendingSpawn pending(*admitted);
    auto ported = std::make_shared<detail::Ported<T, E>>();
    detail_install(pending.record(), detail::run_ported<T, E, std::decay_t<F>, detail::received_t<Args>...>(
                                         Cx(pending.cx()), detail::PortedHook<T, E>(ported), std::forward<F>(f),
                                         detail::receive_argument(std::forward<Args>(args))...));
    return Result(ThreadHandle<T, E>(TaskHandle<>(pending.publish()), state_, std::move(ported)));
  }
  template <class F, class... Args>
  std::expected<void, SpawnError> launch(F&& f, Args&&... args) const {
    static_assert(detail::spawn_check<F, Cx, Args...>::done);
    static_assert((detail::NoObligation<std::decay_t<Args>> && ...),
                  "quiesce: an obligation is held by a task: a thread can neither give nor take one");
    auto admitted = detail::admit_from_thread(*state_, false);
    if (!admitted) return std::unexpected(std::move(admitted).error());
    detail::PendingSpawn pending(*admitted);
    detail_install(pending.record(), detail::run_launched<std::decay_t<F>, detail::received_t<Args>...>(
                                         Cx(pending.cx()), std::forward<F>(f),
                                         detail::receive_argument(std::forward<Args>(args))...));
    pending.publish();
    return {};
  }

 private:
  std::shared_ptr<detail::PortState> state_;
};
template <>
inline constexpr bool enable_sendable<ThreadPort> = true;
template <>
inline constexpr bool enable_sync<ThreadPort> = true;

/// A port into the scope's region. Refused as a finalizer is: when the region has begun to close.
template <class Caps, class P>
std::expected<ThreadPort, RegionError> thread_port(const BasicCx<Caps>& cx, const Scope<P>& scope) {
  static_assert(
      Caps::bits == cap::All::bits,
      "quiesce: the tasks of a thread port get an unrestricted context: a restricted one cannot make a port");
  auto state = detail::open_port(scope.core(), cx.core(), &detail::PolicyOpsOf<P>::ops);
  if (!state) return std::unexpected(std::move(state).error());
  return ThreadPort(std::move(*state));
}

// A thread that waits is announced, as a joiner is: the failure of a task that ends then is its own. What had ended before is the region's
// too, and whoever comes first takes it.
template <class T, class E>
Outcome<T, E> ThreadHandle<T, E>::wait() {
  using Result = Outcome<T, E>;
  if (auto misuse = detail::blocking_misuse(*port_)) return Result::err(E(std::move(*misuse)));
  const std::shared_ptr<detail::Ported<T, E>> ported = std::exchange(ported_, nullptr);
  if (ported == nullptr)
    return Result::err(
        E(Error(ErrorCode::PolledAfterCompletion, "ThreadHandle::wait: the result was taken before")));
  bool was_waiting = false;
  {
    std::unique_lock hold(ported->mutex);
    while (!ported->outcome && !ported->is_over) {
      was_waiting = ported->is_waiting = true;
      ported->changed.wait(hold);
    }
    if (was_waiting && ported->outcome) return std::move(*ported->outcome);
  }
  detail::TaskRecord& task = *task_.detail_record();
  if (!detail::take_ended(task)) return Result::err(E(detail::taken_before(task)));
  if (ported->outcome) return std::move(*ported->outcome);
  // It ended without a body of its own: torn down, or not begun.
  return std::move(detail::RecordResult<void, Error>::get(task)).template failure_as<T, E>();
}

}  // namespace quiesce
