#pragma once
// from_callback: awaits what some other library tells by a callback.
//
//   int answer = co_await q::from_callback<int>(cx, [&](q::Completion<int> done) {
//     const Ticket ticket = library.ask(question, [done](int value) { done(value); });     // any thread may call it
//     return [&library, ticket]() noexcept { library.cancel(ticket); };                    // or return nothing
//   });
//
// `start` is called once, in the waiting task, when the wait begins; a task that was cancelled before does not call it. An exception of it
// panics the task. It may call the completion itself: then nothing waits.
// The first call of the completion – `done(value)`, or `done.fail(error)`, by any copy, on any thread – ends the wait; later ones are
// ignored and give false, as does one that comes after the wait was given up. True: the value has reached the wait before it was given
// up. When the last copy is destroyed without a call the wait ends with Err(Disconnected): no task waits for ever.
// What a request leaves behind: it gives the wait up, calls the cancel function, if `start` returned one and no completion has been called,
// once, in the task, and ends the wait; it does not wait for the callback. That is safe for the library, since what a completion points to
// is shared and counted: a callback that comes late, even when task and runtime are gone, touches nothing but that. What else the
// callback uses must belong to it: capture by value, or make the cancel function wait until the callback cannot come any more.
// It is an operation: without a context, from_callback<T>(start), it may stand in select and timeout; a branch that loses is given up likewise.
// A cancel point. Thread-safety: completions, any thread, also one that runs no task. Cost: two allocations; a call takes a spin lock
// twice. Refuses (does not compile): a T that is not Sendable; a cancel function that is not noexcept.
#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/core/soundness.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

namespace detail {

/// Between a wait and its completions.
//  1. `begin` lets one completion in; it writes the result outside the lock, and `finish` hands it over.
//  2. The wait is over when it took the result, or gave it up: then a result is the completion's to destroy.
class CallbackState {
 public:
  // The completion, any thread:
  /// False: it was called before, or nobody waits any more.
  bool begin() noexcept;
  /// The result has been written. False: nobody took it.
  bool finish() noexcept;

  // The wait:
  bool is_ready() const noexcept;
  void enlist(WaitNode& node) noexcept;
  bool delist(WaitNode& node) noexcept;
  bool keep_place(WaitNode& node, Waiter waiter) noexcept;
  /// Nobody waits any more. True: no completion had been called.
  bool give_up() noexcept;
  WaitSubject subject() const noexcept { return subject_of(primitive_); }

 private:
  Primitive primitive_{"callback"};
  // Under the lock.
  WaitList waiters_;
  bool begun_ = false;
  bool ready_ = false;
  bool over_ = false;
};

Error callback_dropped();

template <class T>
struct CallbackResult : CallbackState {
  std::optional<Outcome<T>> outcome;

  template <class Make>
  bool complete(Make make) {
    if (!begin()) return false;
    try {
      outcome.emplace(make());
    } catch (...) {
      outcome.emplace(Outcome<T>::panicked(PanicPayload::from_current_exception()));
      (void)hand_over();
      throw;
    }
    return hand_over();
  }

 private:
  bool hand_over() noexcept {
    if (finish()) return true;
    outcome.reset();
    return false;
  }
};

/// Of all copies of a completion; the last one's end is an answer, too.
template <class T>
class CompletionShare {
 public:
  explicit CompletionShare(std::shared_ptr<CallbackResult<T>> result) noexcept : result_(std::move(result)) {}
  CompletionShare(const CompletionShare&) = delete;
  CompletionShare& operator=(const CompletionShare&) = delete;
  ~CompletionShare() {
    (void)result_->complete([] { return Outcome<T>::err(callback_dropped()); });
  }
  CallbackResult<T>& result() const noexcept { return *result_; }

 private:
  std::shared_ptr<CallbackResult<T>> result_;
};

}  // namespace detail

/// What `start` is given: a copyable function object.
template <class T>
class Completion {
 public:
  explicit Completion(std::shared_ptr<detail::CallbackResult<T>> result)
      : share_(std::make_shared<detail::CompletionShare<T>>(std::move(result))) {}

  /// The value of the wait, or, of a Completion<void>, nothing.
  template <class... V>
  requires(std::is_void_v<T> ? sizeof...(V) == 0 : std::constructible_from<T, V...>) bool operator()(
      V&&... value) const {
    return share_->result().complete([&] {
      if constexpr (std::is_void_v<T>) {
        return Outcome<T>::ok();
      } else {
        return Outcome<T>::ok(T(std::forward<V>(value)...));
      }
    });
  }
  bool fail(Error error) const {
    return share_->result().complete([&] { return Outcome<T>::err(std::move(error)); });
  }

 private:
  std::shared_ptr<detail::CompletionShare<T>> share_;
};
template <class T>
inline constexpr bool enable_sendable<Completion<T>> = true;

namespace detail {

template <class T>
concept SendableOrVoid = std::is_void_v<T> || Sendable<T>;

template <class T, class Start>
class CallbackOperation {
  using Cancel = std::invoke_result_t<Start&, Completion<T>>;
  static constexpr bool has_cancel = !std::is_void_v<Cancel>;

 public:
  using value_type = T;
  using error_type = Error;
  static constexpr const char* what = "a callback";

  explicit CallbackOperation(Start start)
      : start_(std::move(start)), result_(std::make_shared<CallbackResult<T>>()) {}
  CallbackOperation(CallbackOperation&&) = default;
  ~CallbackOperation() { give_up(); }

  bool try_now() noexcept {
    waits_ = true;
    try {
      if constexpr (has_cancel) {
        cancel_.emplace(start_(Completion<T>(result_)));
      } else {
        start_(Completion<T>(result_));
      }
    } catch (...) {
      thrown_ = std::current_exception();
      return true;
    }
    return result_->is_ready();
  }
  void enlist(WaitNode& node) noexcept { result_->enlist(node); }
  bool keep_place(WaitNode& node, Waiter waiter) noexcept { return result_->keep_place(node, waiter); }
  bool delist(WaitNode& node) noexcept {
    const bool granted = result_->delist(node);
    if (!granted) give_up();
    return granted;
  }
  Outcome<T> take() noexcept {
    if (thrown_) {
      give_up();
      return Outcome<T>::panicked(PanicPayload::from_exception(std::exchange(thrown_, nullptr)));
    }
    waits_ = false;
    return std::move(*result_->outcome);
  }
  void give_back() noexcept { waits_ = false; }
  WaitSubject subject() const noexcept { return result_->subject(); }

 private:
  void give_up() noexcept {
    if (result_ == nullptr || !std::exchange(waits_, false)) return;
    if (!result_->give_up()) return;
    if constexpr (has_cancel) {
      if (cancel_) (*cancel_)();
    }
  }

  Start start_;
  std::shared_ptr<CallbackResult<T>> result_;
  std::optional<std::conditional_t<has_cancel, Cancel, char>> cancel_;
  std::exception_ptr thrown_;
  bool waits_ = false;  // `start` has been called, and the wait is not over
};

template <class T, class Start>
struct CallbackCheck {
  static_assert(SurvivesAwait<Start>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  static_assert(SendableOrVoid<T>,
                "quiesce: from_callback<T>: T comes from another thread, so it must be Sendable");
  using Function = std::decay_t<Start>;
  static constexpr bool callable = std::invocable<Function&, Completion<T>>;
  static_assert(callable,
                "quiesce: from_callback<T>(cx, start): start must be callable with a "
                "quiesce::Completion<T>");
  static consteval bool cancels_well() {
    if constexpr (callable) {
      using Cancel = std::invoke_result_t<Function&, Completion<T>>;
      if constexpr (!std::is_void_v<Cancel>) return std::is_nothrow_invocable_v<Cancel&>;
    }
    return true;
  }
  static_assert(
      cancels_well(),
      "quiesce: from_callback: what `start` returns is the cancel function: it must be callable without "
      "arguments and noexcept, for it runs while the wait is being given up");
  static constexpr bool done = true;
};

}  // namespace detail

template <class T, class Caps, class Start>
auto from_callback(const BasicCx<Caps>& cx, Start&& start) {
  static_assert(detail::CallbackCheck<T, Start>::done);
  using Op = detail::CallbackOperation<T, std::decay_t<Start>>;
  return Wait<Op>(cx.core(), Op(std::forward<Start>(start)));
}
/// For select and timeout.
template <class T, class Start>
auto from_callback(Start&& start) {
  static_assert(detail::CallbackCheck<T, Start>::done);
  using Op = detail::CallbackOperation<T, std::decay_t<Start>>;
  return Operation<Op>(Op(std::forward<Start>(start)));
}

}  // namespace quiesce
