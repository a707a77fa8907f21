#pragma once
// Task<T, E>: a coroutine that ends in exactly one Outcome<T, E>.
//
// Lazy (nothing runs until it is awaited or spawned), move-only, [[nodiscard]]. Inside it:
//   co_return v;                       ends Ok
//   co_await q::fail(error);           ends Err
//   co_await q::cancelled(reason);     ends Cancelled
//   throw anything;                    ends Panicked (a bug, not a result: nobody catches it but the task's boundary)
//   co_await task / outcome / expected gives the value, or ends this coroutine with the same failure (rule O4)
//   co_await std::move(task).outcome() gives the Outcome instead, whatever it is
//   co_await foreign                   any other awaitable that follows the C++ protocol; it is not a cancel point
//
// Ending so destroys the frames in between, inner to outer, before whoever handles the outcome goes on. No exception is thrown
// for Err and Cancelled: `try { co_await t; } catch` does not see them, nor a child's panic. A scope guard that commits
// on success must ask `q::unwinding()`, since std::uncaught_exceptions() is 0 then.
// Cancel-safety: a task is cancelled only where it waits or checks; a request never destroys its frame.
// Cost: one frame from a pool; an await of a child that ends at once is some nanoseconds, with constant stack.
#include <algorithm>
#include <concepts>
#include <coroutine>
#include <expected>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "quiesce/detail/coro/foreign.hpp"
#include "quiesce/detail/coro/promise.hpp"
#include "quiesce/error.hpp"
#include "quiesce/outcome.hpp"
#include "quiesce/spawn_error.hpp"

namespace quiesce {

template <class T = void, class E = Error>
class Task;

/// True in a destructor that runs because its coroutine ended without Ok (O4), by a failure or an exception.
bool unwinding() noexcept;

/// `co_await fail(e)` ends the coroutine with Err(e), converted to its E.
template <class E>
struct Fail {
  E error;
  explicit Fail(E e) : error(std::move(e)) {}
};
template <class E>
[[nodiscard]] Fail<std::decay_t<E>> fail(E&& error) {
  return Fail<std::decay_t<E>>(std::forward<E>(error));
}
[[nodiscard]] inline Fail<Error> fail(ErrorCode code, std::string message) {
  return Fail<Error>(Error(code, std::move(message)));
}

/// `co_await cancelled(reason)` ends the coroutine Cancelled.
struct Cancelled {
  CancelReason reason;
  explicit Cancelled(CancelReason r) : reason(std::move(r)) {}
};
[[nodiscard]] inline Cancelled cancelled(CancelReason reason) { return Cancelled(std::move(reason)); }

namespace detail {

template <class From, class To>
concept ErrorConvertible = std::constructible_from<To, From>;

template <class T>
concept GivenAway = !std::is_lvalue_reference_v<T>;

/// An awaitable of the library names its awaiter; `quiesce_awaiter` is constructed from it.
template <class A>
concept LibraryAwaitable = requires {
  typename std::remove_cvref_t<A>::quiesce_awaiter;
  requires !requires { typename std::remove_cvref_t<A>::quiesce_awaited_in_place; };
};

template <class T, class E>
class Promise;

/// One that is made in the expression that awaits it, and stays there: its await takes it by value, and it cannot be moved.
template <class A>
concept AwaitedInPlace = requires {
  typename A::quiesce_awaited_in_place;
};

/// The coroutine of a task, which gives it up; nullptr: it has none.
template <class T, class E>
Promise<T, E>* detail_release(Task<T, E>&& task) noexcept;

inline Error empty_task() {
  return Error(ErrorCode::EmptyTask, "co_await of a task that was moved from, awaited or spawned before");
}

// A failed outcome of other types for a coroutine of the running task that awaits it, with rule O5; and into its promise.
template <class U, class F, class T, class E>
Outcome<U, F> failure_for(Outcome<T, E>&& failure);
template <class U, class F, class T, class E>
void put_failure(Promise<U, F>& promise, Outcome<T, E>&& failure);

/// The child of an await, owned whenever it does not run: before the await begins, and from its end until its outcome is taken.
/// In `co_await a + co_await b` g++ makes both awaiters first and takes both outcomes last, so that each may be left with a child
/// when the coroutine ends in the other.
struct AwaitedChild {
  PromiseBase* child;

  explicit AwaitedChild(PromiseBase* owned) noexcept : child(owned) {}
  AwaitedChild(const AwaitedChild&) = delete;
  AwaitedChild& operator=(const AwaitedChild&) = delete;
  ~AwaitedChild() {
    if (child != nullptr) destroy_frame(*child);
  }
};

/// `co_await task`: the value, or this coroutine ends.
template <class T, class E>
struct TaskAwaiter : AwaitedChild {
  using AwaitedChild::AwaitedChild;
  bool await_ready() const noexcept { return false; }
  template <class U, class F>
  void await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept;
  T await_resume();
};

/// `co_await std::move(task).outcome()`.
template <class T, class E>
struct TaskOutcomeAwaiter : AwaitedChild {
  template <class Observed>
  explicit TaskOutcomeAwaiter(Observed&& observed) noexcept
      : AwaitedChild(std::exchange(observed.child_, nullptr)) {}
  bool await_ready() const noexcept { return child == nullptr; }
  template <class U, class F>
  void await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept;
  Outcome<T, E> await_resume();
};

/// `co_await outcome`, `co_await expected`: ready with the value, or ends the coroutine.
template <class T, class E>
struct OutcomeAwaiter {
  Outcome<T, E> outcome;

  explicit OutcomeAwaiter(Outcome<T, E>&& o) : outcome(std::move(o)) {}
  bool await_ready() const noexcept { return outcome.is_ok() && may_go_on(); }
  template <class U, class F>
  void await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept {
    if (outcome.is_ok()) return signal(*self.promise().task, Signal::Yield);
    put_failure(self.promise(), std::move(outcome));
    end_here(self.promise());
  }
  T await_resume() {
    if constexpr (!std::is_void_v<T>) return std::move(outcome).value();
  }
};

/// A refusal of a region: rule R3 decides between Err and Cancelled.
template <class T, class Refusal>
struct RefusableAwaiter {
  std::expected<T, Refusal> result;

  explicit RefusableAwaiter(std::expected<T, Refusal>&& r) : result(std::move(r)) {}
  bool await_ready() const noexcept { return result.has_value() && may_go_on(); }
  template <class U, class F>
  void await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept {
    PromiseBase& base = self.promise();
    if (result.has_value()) return signal(*base.task, Signal::Yield);
    const Refusal& refusal = result.error();
    if (refusal.cancel_reason() && base.task->word.load().requested()) {
      base.ops()->put_cancelled(base, CancelReason(*refusal.cancel_reason()));
    } else {
      base.ops()->put_error(base, Error(refusal));
    }
    end_here(base);
  }
  T await_resume() {
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }
};

template <class E>
struct FailAwaiter {
  E error;
  bool await_ready() const noexcept { return false; }
  template <class U, class F>
  void await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept {
    static_assert(ErrorConvertible<E, F>,
                  "quiesce: co_await fail(e) needs the coroutine's E to be constructible from e");
    self.promise().put(Outcome<U, F>::err(F(std::move(error))));
    end_here(self.promise());
  }
  void await_resume() const noexcept {}
};

struct CancelledAwaiter {
  CancelReason reason;
  bool await_ready() const noexcept { return false; }
  template <class U, class F>
  void await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept {
    self.promise().put(Outcome<U, F>::cancelled(std::move(reason)));
    end_here(self.promise());
  }
  void await_resume() const noexcept {}
};

// g++ 12 has every awaiter in the frame, also an empty one, which takes a word with its padding; one without a size takes none.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
struct Stateless {
  char nothing[0];
};
#else
struct Stateless {};
#endif

struct StartAwaiter : Stateless {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume() const noexcept {}
};

struct FinalAwaiter : Stateless {
  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> self) noexcept {
    PromiseBase& base = self.promise();
    if (!base.destroying) end_here(base);
  }
  void await_resume() const noexcept {}
};

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
static_assert(sizeof(StartAwaiter) == 0 && sizeof(FinalAwaiter) == 0);
#endif

template <std::size_t Bytes>
struct OutcomeRest {
  std::byte bytes[Bytes];
};
template <>
struct OutcomeRest<0> {};

template <class T, class E>
struct alignas(Outcome<T, E>) alignas(PromiseBase) PromiseResult : PromiseBase {
  explicit PromiseResult(const PromiseOps* operations) : PromiseBase(operations) {}
  ~PromiseResult() {
    if (this->filled && !detail_needs_no_end(outcome())) outcome().~Outcome<T, E>();
  }
  static_assert(alignof(Outcome<T, E>) <= 16,
                "quiesce: Task<T>: T is aligned to more than 16 bytes; hold it through std::unique_ptr");

  Outcome<T, E>& outcome() { return *std::launder(static_cast<Outcome<T, E>*>(this->state_place())); }
  void put(Outcome<T, E>&& value) {
    if (this->filled) {
      outcome() = std::move(value);
    } else {
      new (this->state_place()) Outcome<T, E>(std::move(value));
      this->filled = true;
    }
  }

  // What of the outcome goes beyond the base, which ends with the beginning of it.
  [[no_unique_address]] OutcomeRest<(
      sizeof(Outcome<T, E>) > PromiseBase::state_size ? sizeof(Outcome<T, E>) - PromiseBase::state_size : 0)>
      rest;
};

template <class T, class E>
struct PromiseReturn : PromiseResult<T, E> {
  using PromiseResult<T, E>::PromiseResult;
  template <class U = T>
  requires std::constructible_from<T, U>
  void return_value(U&& value) {
    if (this->filled) [[unlikely]]
      return this->put(Outcome<T, E>::ok(T(std::forward<U>(value))));
    new (this->state_place()) Outcome<T, E>(Outcome<T, E>::ok(T(std::forward<U>(value))));
    this->filled = true;
  }
};
template <class E>
struct PromiseReturn<void, E> : PromiseResult<void, E> {
  using PromiseResult<void, E>::PromiseResult;
  void return_void() {
    if (this->filled) [[unlikely]]
      return this->put(Outcome<void, E>::ok());
    new (this->state_place()) Outcome<void, E>(Outcome<void, E>::ok());
    this->filled = true;
  }
};

/// The result of a root coroutine in its record: inline when it fits, else boxed.
template <class T, class E>
struct RecordResult {
  using Value = Outcome<T, E>;
  static constexpr bool fits = sizeof(Value) <= TaskRecord::inline_result_size;

  static Value& get(TaskRecord& task) {
    if constexpr (fits) {
      return *std::launder(reinterpret_cast<Value*>(task.result));
    } else {
      return **std::launder(reinterpret_cast<Value**>(task.result));
    }
  }
  static void put(TaskRecord& task, Value&& value) {
    if constexpr (fits) {
      new (task.result) Value(std::move(value));
    } else {
      new (task.result) Value*(new Value(std::move(value)));
    }
    task.result_ops = &ops;
  }
  static OutcomeKind kind(const TaskRecord& task) noexcept { return get(const_cast<TaskRecord&>(task)).kind(); }
  static Outcome<> failure(const TaskRecord& task) {
    Value& value = get(const_cast<TaskRecord&>(task));
    switch (value.kind()) {
      case OutcomeKind::Ok: break;
      case OutcomeKind::Err: return Outcome<>::err(Error(value.error()));
      case OutcomeKind::Cancelled: return Outcome<>::cancelled(value.cancel_reason());
      case OutcomeKind::Panicked: return Outcome<>::panicked(value.panic());
    }
    return Outcome<>::ok();
  }
  static const CancelReason& cancel_reason(const TaskRecord& task) noexcept {
    return get(const_cast<TaskRecord&>(task)).cancel_reason();
  }
  static void destroy(TaskRecord& task) noexcept {
    if constexpr (fits) {
      get(task).~Value();
    } else {
      delete &get(task);
    }
  }
  static void put_failure(TaskRecord& task, Outcome<>&& failure) noexcept {
    switch (failure.kind()) {
      case OutcomeKind::Ok: return;
      case OutcomeKind::Err: return put(task, Value::err(E(std::move(failure).error())));
      case OutcomeKind::Cancelled: return put(task, Value::cancelled(failure.cancel_reason()));
      case OutcomeKind::Panicked: return put(task, Value::panicked(failure.panic()));
    }
  }
  static constexpr ResultOps ops{kind,          failure,
                                 cancel_reason, destroy,
                                 put_failure,   std::is_void_v<T> || std::is_trivially_destructible_v<T>};
  /// For a record that has no result yet: only `put_failure` may be called.
  static constexpr ResultOps empty_ops{kind,        failure, cancel_reason, [](TaskRecord&) noexcept {},
                                       put_failure, true};
};

/// What every coroutine of the library may await, whatever it returns.
template <class T, class E>
class PromiseAwaits : public PromiseReturn<T, E> {
  static_assert(std::constructible_from<E, Error>,
                "quiesce: Task<T, E>: E must be constructible from quiesce::Error, so that the library's own "
                "errors reach the caller");

 public:
  PromiseAwaits() : PromiseReturn<T, E>(&operations) {}

  StartAwaiter initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { this->caught(); }

  template <class T2, class E2>
  TaskAwaiter<T2, E2> await_transform(Task<T2, E2>&& child,
                                      AwaitPlace here = __builtin_source_location()) noexcept;
  template <class T2, class E2>
  TaskAwaiter<T2, E2> await_transform(Task<T2, E2>&) noexcept {
    static_assert(GivenAway<Task<T2, E2>&>,
                  "quiesce: an await consumes its task: write co_await std::move(task)");
    return TaskAwaiter<T2, E2>(nullptr);
  }
  template <class T2, class E2>
  OutcomeAwaiter<T2, E2> await_transform(Outcome<T2, E2> outcome) {
    static_assert(ErrorConvertible<E2, E>,
                  "quiesce: co_await of an Outcome needs this coroutine's E to be constructible from its E");
    return OutcomeAwaiter<T2, E2>(std::move(outcome));
  }
  template <class T2, class E2>
  auto await_transform(std::expected<T2, E2> expected) {
    if constexpr (std::derived_from<E2, RegionRefusal>) {
      return RefusableAwaiter<T2, E2>(std::move(expected));
    } else {
      static_assert(
          ErrorConvertible<E2, E>,
          "quiesce: co_await of a std::expected needs this coroutine's E to be constructible from its error");
      using Converted = Outcome<T2, E>;
      if (!expected) return OutcomeAwaiter<T2, E>(Converted::err(E(std::move(expected).error())));
      if constexpr (std::is_void_v<T2>) {
        return OutcomeAwaiter<T2, E>(Converted::ok());
      } else {
        return OutcomeAwaiter<T2, E>(Converted::ok(std::move(*expected)));
      }
    }
  }
  template <class E2>
  FailAwaiter<E2> await_transform(Fail<E2> failure) {
    return {std::move(failure.error)};
  }
  CancelledAwaiter await_transform(Cancelled cancelled) { return {std::move(cancelled.reason)}; }
  template <AwaitedInPlace A>
  auto await_transform(A awaitable, AwaitPlace here = __builtin_source_location()) {
    this->awaits_at = here;
    using Awaiter = typename A::quiesce_awaiter;
    if constexpr (std::constructible_from<Awaiter, A&, TaskRecord&>) {
      return Awaiter(awaitable, *this->task);
    } else {
      return Awaiter(awaitable);
    }
  }
  template <LibraryAwaitable A>
  auto await_transform(A&& awaitable, AwaitPlace here = __builtin_source_location()) {
    this->awaits_at = here;
    return typename std::remove_cvref_t<A>::quiesce_awaiter(std::forward<A>(awaitable));
  }
  template <class A>
  requires(!LibraryAwaitable<A> && !AwaitedInPlace<std::remove_cvref_t<A>>)
      ForeignAwaiter<A> await_transform(A&& awaitable, AwaitPlace here = __builtin_source_location()) {
    this->awaits_at = here;
    return ForeignAwaiter<A>(std::forward<A>(awaitable));
  }

 private:
  static PromiseAwaits& self(PromiseBase& base) { return static_cast<PromiseAwaits&>(base); }
  static constexpr PromiseOps operations{
      {coroutine_step, look_at_coroutine},
      [](PromiseBase& base, Error&& error) { self(base).put(Outcome<T, E>::err(E(std::move(error)))); },
      [](PromiseBase& base, CancelReason&& reason) {
        self(base).put(Outcome<T, E>::cancelled(std::move(reason)));
      },
      [](PromiseBase& base, PanicPayload&& panic) {
        self(base).put(Outcome<T, E>::panicked(std::move(panic)));
      },
      [](PromiseBase& base, TaskRecord& task) {
        const OutcomeKind kind = self(base).outcome().kind();
        if constexpr (std::constructible_from<Error, const E&>)
          RecordResult<T, E>::put(task, std::move(self(base).outcome()));
        return kind;
      },
      [](const PromiseBase& base) { return self(const_cast<PromiseBase&>(base)).outcome().kind(); }};
};

template <class T, class E>
class Promise : public PromiseAwaits<T, E> {
 public:
  Task<T, E> get_return_object() noexcept;
};

}  // namespace detail

/// A coroutine that ends in one Outcome<T, E>; see the top of this file.
template <class T, class E>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T, E>;
  using value_type = T;
  using error_type = E;

  /// What `co_await std::move(task).outcome()` awaits.
  class [[nodiscard]] Observed {
   public:
    using quiesce_awaiter = detail::TaskOutcomeAwaiter<T, E>;
    explicit Observed(promise_type* child) : child_(child) {}
    Observed(Observed&& other) noexcept : child_(std::exchange(other.child_, nullptr)) {}
    ~Observed() {
      if (child_ != nullptr) detail::destroy_frame(*child_);
    }

   private:
    friend quiesce_awaiter;
    promise_type* child_;
  };

  Task(Task&& other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    Task gone(std::move(*this));
    promise_ = std::exchange(other.promise_, nullptr);
    return *this;
  }
  ~Task() {
    if (promise_ != nullptr) detail::destroy_frame(*promise_);
  }

  /// False after it was moved from, awaited or spawned.
  explicit operator bool() const noexcept { return promise_ != nullptr; }
  Observed outcome() && { return Observed(std::exchange(promise_, nullptr)); }

 private:
  friend promise_type;
  template <class, class>
  friend class detail::PromiseAwaits;
  template <class U, class F>
  friend void detail_install(detail::TaskRecord& record, Task<U, F>&& task);
  template <class U, class F>
  friend detail::Promise<U, F>* detail::detail_release(Task<U, F>&& task) noexcept;
  explicit Task(promise_type* promise) noexcept : promise_(promise) {}
  promise_type* promise_;
};

/// Makes the task the root coroutine of a record.
template <class T, class E>
void detail_install(detail::TaskRecord& record, Task<T, E>&& task) {
  detail::Promise<T, E>* promise = std::exchange(task.promise_, nullptr);
  if (promise == nullptr) {
    record.result_ops = &detail::RecordResult<T, E>::empty_ops;
    record.leaf = &detail::empty_body;
    return;
  }
  record.held = {};
  record.leaf = promise;
}

namespace detail {

template <class T, class E>
Promise<T, E>* detail_release(Task<T, E>&& task) noexcept {
  return std::exchange(task.promise_, nullptr);
}

template <class T, class E>
Task<T, E> Promise<T, E>::get_return_object() noexcept {
  return Task<T, E>(this);
}

template <class T, class E>
template <class T2, class E2>
TaskAwaiter<T2, E2> PromiseAwaits<T, E>::await_transform(Task<T2, E2>&& child, AwaitPlace here) noexcept {
  static_assert(ErrorConvertible<E2, E>,
                "quiesce: co_await of a Task needs this coroutine's E to be constructible from the child's E");
  this->awaits_at = here;
  return TaskAwaiter<T2, E2>(std::exchange(child.promise_, nullptr));
}

template <class U, class F, class T, class E>
Outcome<U, F> failure_for(Outcome<T, E>&& failure) {
  if (failure.is_cancelled() && !bears_request())
    return Outcome<U, F>::err(F(as_child_error(failure.cancel_reason())));
  return std::move(failure).template failure_as<U, F>();
}
template <class U, class F, class T, class E>
void put_failure(Promise<U, F>& promise, Outcome<T, E>&& failure) {
  promise.put(failure_for<U, F>(std::move(failure)));
}

template <class T, class E>
template <class U, class F>
void TaskAwaiter<T, E>::await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept {
  if (child == nullptr) { return end_with_error(self.promise(), empty_task()); }
  await_child(self.promise(), child, [](PromiseBase& from, PromiseBase& to) {
    auto& ended = static_cast<Promise<T, E>&>(from);
    if (ended.outcome().is_ok()) return false;
    put_failure(static_cast<Promise<U, F>&>(to), std::move(ended.outcome()));
    return true;
  });
}

template <class T, class E>
T TaskAwaiter<T, E>::await_resume() {
  AwaitedChild ended(std::exchange(child, nullptr));  // destroyed when its value has been moved out
  if constexpr (!std::is_void_v<T>)
    return std::move(static_cast<Promise<T, E>*>(ended.child)->outcome()).value();
}

template <class T, class E>
template <class U, class F>
void TaskOutcomeAwaiter<T, E>::await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept {
  await_child(self.promise(), child, nullptr);
}

template <class T, class E>
Outcome<T, E> TaskOutcomeAwaiter<T, E>::await_resume() {
  if (child == nullptr) return Outcome<T, E>::err(E(empty_task()));
  AwaitedChild ended(std::exchange(child, nullptr));
  return std::move(static_cast<Promise<T, E>*>(ended.child)->outcome());
}

}  // namespace detail
}  // namespace quiesce
