#pragma once

// Sendable: what may cross into a task that can run on another thread, and come back out of it.
//
// Promises. `Sendable<T>` is true when, as far as C++ types can tell, a T owns what it refers to and no other
// thread writes the same data: numbers, strings, containers, classes. It looks inside: the elements of arrays,
// tuples, pairs, variants, optionals, expecteds and containers (anything with a `value_type`), what a smart
// pointer points to, and the members of aggregates. A type that contains itself is fine.
//
// Refuses. Raw object pointers, references and std::reference_wrapper; std::string_view, std::span,
// std::initializer_list and every other view; iterators; std::coroutine_handle; lock guards; closures with
// captures and type-erased callables or values (std::function, std::any), whose captures cannot be seen;
// std::shared_ptr and std::weak_ptr to anything that is neither const nor `enable_sync`; a Task, whose frame
// cannot be seen; and whatever cannot be looked into: a union, an incomplete type, an aggregate with a base
// class, a long C array or more than 32 members. Function pointers, pointers to members and captureless lambdas
// are sendable. A class that has constructors or private members shows nothing of its inside and counts as
// sendable: a class that holds borrowed data should opt out.
//
// Deciding for a type of your own (the decision stands, nothing is looked into any more), before its first use:
//
//     template <> inline constexpr bool quiesce::enable_sendable<Cursor> = false;  // borrows: keep it here
//     template <> inline constexpr bool quiesce::enable_sendable<DatabaseHandle> = true;
//     template <> inline constexpr bool quiesce::enable_sync<Counters> = true;  // may be shared while written
//
// and for one value, at the call: `scope.spawn(cx, f, quiesce::unsafe_send(pointer))`; f receives the bare
// pointer.
//
// Cost: compile time only. Thread-safety: there is no state.

#include <quiesce/detail/core/soundness_closure.hpp>

#include <type_traits>
#include <utility>

namespace quiesce {

class Error;
template <class T, class E>
class Task;

namespace detail {
template <class T>
struct sendable_by_rule;
template <class T>
struct sync_by_rule;

template <class T>
struct DecidedByRule {
  constexpr operator bool() const noexcept { return sendable_by_rule<T>::value; }
};
}  // namespace detail

/// True when a T may cross into a task. Specialise it, as a plain `inline constexpr bool`, to decide for a
/// type. Unspecialised it is not a bool but converts to the rule's answer (a requires-clause wants
/// `Sendable<T>`): its type says that nobody has decided, without the rule being asked.
template <class T>
inline constexpr detail::DecidedByRule<T> enable_sendable{};

/// True when several threads may use one T at a time: mutex-like types (lock, try_lock, unlock, not movable)
/// and atomic-like ones (load, store, is_lock_free, not copyable). Specialise it for types that guard
/// themselves.
template <class T>
inline constexpr bool enable_sync = detail::sync_by_rule<T>::value;

template <class T>
concept Sendable = static_cast<bool>(enable_sendable<T>);

/// The caller's word that sending this is sound: it counts as sendable whatever is inside. A wrapped callable
/// can be called as before; a wrapped argument reaches the function unwrapped. Move-only closures on g++ 12,
/// which unsafe_send cannot tell from temporaries: `UnsafeSend(std::move(named))`.
template <class T>
class UnsafeSend {
 public:
  explicit UnsafeSend(const T& value) : value_(value) {}
  explicit UnsafeSend(T&& value) : value_(std::move(value)) {}

  T& get() & noexcept { return value_; }
  const T& get() const& noexcept { return value_; }
  T&& get() && noexcept { return std::move(value_); }

  template <class... Args>
  auto operator()(Args&&... args) -> decltype(std::declval<T&>()(std::forward<Args>(args)...)) {
    return value_(std::forward<Args>(args)...);
  }
  template <class... Args>
  auto operator()(Args&&... args) const -> decltype(std::declval<const T&>()(std::forward<Args>(args)...)) {
    return value_(std::forward<Args>(args)...);
  }

 private:
  T value_;
};

template <class T>
UnsafeSend(T) -> UnsafeSend<T>;

template <class T>
inline constexpr bool enable_sendable<UnsafeSend<T>> = true;

/// Wraps a copy (or the moved value) of x. On g++ 12 a temporary closure with non-trivial captures is refused,
/// because the compiler would copy it bit by bit inside an awaited expression: name it first.
template <class T>
UnsafeSend<std::decay_t<T>> unsafe_send(T&& x) {
  static_assert(detail::SurvivesAwait<T>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  return UnsafeSend<std::decay_t<T>>(std::forward<T>(x));
}

/// What spawn accepts as its function, before it asks how it can be called: a function, a captureless callable,
/// or an UnsafeSend of any callable.
template <class F>
concept SpawnableCallable = detail::CapturesNothing<std::decay_t<F>>;

namespace detail {

template <class T>
struct unwrapped {
  using type = T;
};
template <class T>
struct unwrapped<UnsafeSend<T>> {
  using type = T;
};
/// The type in which a stored argument of (decayed) type T reaches the function.
template <class T>
using unwrapped_t = typename unwrapped<T>::type;

/// Hands a stored argument to the function: as an rvalue, out of its UnsafeSend if it has one.
template <class T>
constexpr T&& unwrap_unsafe(T& stored) noexcept {
  return static_cast<T&&>(stored);
}
template <class T>
constexpr T&& unwrap_unsafe(UnsafeSend<T>& stored) noexcept {
  return std::move(stored).get();
}

}  // namespace detail
}  // namespace quiesce

#include <quiesce/detail/core/soundness_find.hpp>  // What sendable_by_rule and sync_by_rule look for.
