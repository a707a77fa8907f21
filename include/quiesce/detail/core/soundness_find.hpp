#pragma once

// Finds what makes a type unsound to send: the reason, and the type that holds it.
//
// 1. A user's decision (a specialisation of enable_sendable) ends the search; false is a reason of its own.
// 2. `own_reason<T>` judges T alone. Most library types are known by their shape rather than by name, which
//    spares their headers and catches their likes (boost::reference_wrapper, absl::AnyInvocable).
// 3. `parts_of<T>` lists what T holds. The search goes through it depth first; a type that is being searched
//    already counts as sound there, since its other parts decide.
// 4. The result is `sound` or `fault<Owner, T>`: T is the culprit, Owner what holds it (`void` for the argument
//    itself).

#include <quiesce/detail/core/soundness_closure.hpp>
#include <quiesce/detail/core/soundness_members.hpp>
#include <quiesce/sendable.hpp>

#include <concepts>
#include <initializer_list>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace quiesce::detail {

enum class Unsound : unsigned char {
  None,
  Reference,
  Pointer,
  CString,
  ReferenceWrapper,
  StringView,
  Span,
  View,
  Iterator,
  SharedMutable,
  CoroutineHandle,
  LockGuard,
  TypeErased,
  Closure,
  TaskFrame,
  OptedOut,
  Opaque,
};

// ---- shapes: T is a complete class type without cv ----------------------------------------------

template <class T>
concept ReferenceWrapperLike = requires(T& t) {
  typename T::type;
  { t.get() } -> std::same_as<typename T::type&>;
}
&&std::is_convertible_v<T, typename T::type&>;

template <class T>
concept SpanLike = requires {
  typename T::element_type;
  typename T::size_type;
  T::extent;
};

template <class T>
concept IteratorLike = requires(T& t) {
  *t;
  ++t;
};

template <class T>
concept WeakLike = requires(const T& t) {
  typename T::element_type;
  t.lock();
  t.expired();
};
template <class T>
concept SharedLike = WeakLike<T> || requires(const T& t) {
  typename T::element_type;
  t.use_count();
};
template <class T>
concept UniqueLike = requires {
  typename T::element_type;
  typename T::deleter_type;
};

template <class T>
concept CoroutineHandleLike = requires(const T& t) {
  t.address();
  t.done();
  t.resume();
};

template <class T>
concept LockGuardLike = requires {
  typename T::mutex_type;
};

template <class T>
concept LockLike = requires(T& t) {
  t.lock();
  t.unlock();
  t.try_lock();
}
&&!std::is_move_constructible_v<T>;

template <class T>
concept AtomicLike = requires(const T& t) {
  t.is_lock_free();
  t.load();
}
&&!std::is_copy_constructible_v<T>;

/// Any class template over a function type: std::function, std::packaged_task and their kin.
template <class T>
inline constexpr bool erases_callable = false;
template <template <class...> class W, class F, class... Rest>
inline constexpr bool erases_callable<W<F, Rest...>> = std::is_function_v<F>;

template <class T>
concept AnyLike = requires(const T& t) {
  t.type().hash_code();
  t.has_value();
};

template <class T>
concept VariantLike = requires(const T& t) {
  t.index();
  t.valueless_by_exception();
};

template <class T>
concept TupleLike = requires {
  std::tuple_size<T>::value;
};

template <class T>
inline constexpr bool is_string_view = false;
template <class C, class Traits>
inline constexpr bool is_string_view<std::basic_string_view<C, Traits>> = true;

template <class T>
inline constexpr bool is_initializer_list = false;
template <class T>
inline constexpr bool is_initializer_list<std::initializer_list<T>> = true;

template <class T>
inline constexpr bool is_task = false;
template <class T, class E>
inline constexpr bool is_task<Task<T, E>> = true;

template <class T>
inline constexpr bool is_character = false;
template <>
inline constexpr bool is_character<char> = true;
template <>
inline constexpr bool is_character<wchar_t> = true;
template <>
inline constexpr bool is_character<char8_t> = true;
template <>
inline constexpr bool is_character<char16_t> = true;
template <>
inline constexpr bool is_character<char32_t> = true;

template <class T>
struct sync_by_rule {
  static constexpr bool value = false;
};
template <class T>
requires(std::is_class_v<T>) struct sync_by_rule<T> {
  static constexpr bool value = LockLike<T> || AtomicLike<T>;
};

// ---- the reason of one type ---------------------------------------------------------------------

template <class T>
inline constexpr bool decided_by_user = !std::is_same_v<decltype(enable_sendable<T>), const DecidedByRule<T>>;

template <class T>
concept Complete = requires {
  sizeof(T);
};

template <class T>
consteval Unsound shared_reason() {
  using Pointee = std::remove_all_extents_t<typename T::element_type>;
  if (!std::is_const_v<Pointee> && !enable_sync<Pointee>) return Unsound::SharedMutable;
  return std::is_void_v<Pointee> ? Unsound::Opaque : Unsound::None;
}

template <class T>
consteval bool opaque_aggregate() {
  if constexpr (std::is_aggregate_v<T> && !TupleLike<T>) {
    return member_count<T> == not_countable;
  } else {
    return false;
  }
}

template <class T>
consteval Unsound class_reason() {
  if constexpr (ReferenceWrapperLike<T>) {
    return Unsound::ReferenceWrapper;
  } else if constexpr (is_string_view<T>) {
    return Unsound::StringView;
  } else if constexpr (SpanLike<T>) {
    return Unsound::Span;
  } else if constexpr (is_initializer_list<T> || std::ranges::enable_view<T>) {
    return Unsound::View;
  } else if constexpr (IteratorLike<T>) {
    return Unsound::Iterator;
  } else if constexpr (SharedLike<T>) {
    return shared_reason<T>();
  } else if constexpr (UniqueLike<T>) {
    return std::is_void_v<typename T::element_type> ? Unsound::Opaque : Unsound::None;
  } else if constexpr (CoroutineHandleLike<T>) {
    return Unsound::CoroutineHandle;
  } else if constexpr (LockGuardLike<T>) {
    return Unsound::LockGuard;
  } else if constexpr (erases_callable<T> || AnyLike<T>) {
    return Unsound::TypeErased;
  } else if constexpr (is_closure<T>) {
    return Unsound::Closure;
  } else {
    return opaque_aggregate<T>() ? Unsound::Opaque : Unsound::None;
  }
}

/// T is without cv.
template <class T>
consteval Unsound find_own_reason() {
  if constexpr (std::is_reference_v<T>) {
    return Unsound::Reference;
  } else if constexpr (decided_by_user<T>) {
    return enable_sendable<T> ? Unsound::None : Unsound::OptedOut;
  } else if constexpr (std::is_pointer_v<T>) {
    using Target = std::remove_cv_t<std::remove_pointer_t<T>>;
    if (std::is_function_v<Target>) return Unsound::None;
    return is_character<Target> ? Unsound::CString : Unsound::Pointer;
  } else if constexpr (std::is_union_v<T>) {
    return Unsound::Opaque;
  } else if constexpr (!std::is_class_v<T>) {
    return Unsound::None;
  } else if constexpr (is_task<T>) {
    return Unsound::TaskFrame;
  } else if constexpr (!Complete<T>) {
    return Unsound::Opaque;
  } else if constexpr (std::is_empty_v<T>) {
    return Unsound::None;
  } else {
    return class_reason<T>();
  }
}

template <class T>
inline constexpr Unsound own_reason = find_own_reason<std::remove_cv_t<T>>();

// ---- what a type holds --------------------------------------------------------------------------

template <class... Lists>
struct joined {
  using type = types<>;
};
template <class... Ts>
struct joined<types<Ts...>> {
  using type = types<Ts...>;
};
template <class... Ts, class... Us, class... Lists>
struct joined<types<Ts...>, types<Us...>, Lists...> : joined<types<Ts..., Us...>, Lists...> {};

template <class T>
auto listed_value_type() {
  if constexpr (requires { typename T::value_type; }) {
    return types<typename T::value_type>{};
  } else {
    return types<>{};
  }
}
template <class T>
auto listed_error_type() {
  if constexpr (requires { typename T::error_type; }) {
    return types<typename T::error_type>{};
  } else {
    return types<>{};
  }
}
template <class T>
auto listed_members() {
  if constexpr (std::is_aggregate_v<T>) {
    return members_of<T>{};
  } else {
    return types<>{};
  }
}
template <class T, std::size_t... I>
auto listed_elements(std::index_sequence<I...>) {
  return types<std::tuple_element_t<I, T>...>{};
}

template <class T>
struct type_arguments;
template <template <class...> class W, class... Ts>
struct type_arguments<W<Ts...>> {
  using type = types<Ts...>;
};

template <class T>
auto listed_pointee() {
  using Element = typename T::element_type;
  if constexpr (UniqueLike<T>) {
    return types<std::remove_all_extents_t<Element>, typename T::deleter_type>{};
  } else if constexpr (enable_sync<std::remove_all_extents_t<Element>>) {
    return types<>{};
  } else {
    return types<std::remove_all_extents_t<Element>>{};
  }
}

/// T is a complete class type without cv whose own_reason is None.
template <class T>
auto listed_parts() {
  if constexpr (std::is_empty_v<T>) {
    return types<>{};
  } else if constexpr (SharedLike<T> || UniqueLike<T>) {
    return listed_pointee<T>();
  } else if constexpr (TupleLike<T> && requires { typename T::value_type; }) {
    return listed_value_type<T>();  // std::array, however long.
  } else if constexpr (TupleLike<T>) {
    return listed_elements<T>(std::make_index_sequence<std::tuple_size<T>::value>{});
  } else if constexpr (VariantLike<T> && requires { typename type_arguments<T>::type; }) {
    return typename type_arguments<T>::type{};
  } else {
    return typename joined<decltype(listed_value_type<T>()), decltype(listed_error_type<T>()),
                           decltype(listed_members<T>())>::type{};
  }
}

template <class T>
struct parts {
  using type = types<>;
};
template <class T>
requires(std::is_class_v<T>) struct parts<T> {
  using type = decltype(listed_parts<T>());
};
template <class T>
requires(std::is_array_v<T>) struct parts<T> {
  using type = types<std::remove_all_extents_t<T>>;
};

// ---- the search ---------------------------------------------------------------------------------

struct sound {};
template <class Owner, class T>
struct fault {};

template <class T, class... Seen>
inline constexpr bool is_one_of = (std::is_same_v<T, Seen> || ...);

template <class Owner, class T, class... Seen>
auto search(types<Seen...>);

template <class Owner>
auto search_parts(types<>, auto) {
  return sound{};
}
template <class Owner, class P, class... Ps, class... Seen>
auto search_parts(types<P, Ps...>, types<Seen...> seen) {
  using First = decltype(search<Owner, P>(seen));
  if constexpr (std::is_same_v<First, sound>) {
    return search_parts<Owner>(types<Ps...>{}, seen);
  } else {
    return First{};
  }
}

template <class Owner, class T, class... Seen>
auto search(types<Seen...>) {
  using Bare = std::remove_cv_t<T>;
  if constexpr (own_reason<T> != Unsound::None) {
    return fault<Owner, T>{};
  } else if constexpr (std::is_scalar_v<Bare> || std::is_void_v<Bare> || is_one_of<Bare, Seen...>) {
    return sound{};
  } else if constexpr (decided_by_user<Bare>) {
    return sound{};
  } else {
    return search_parts<Bare>(typename parts<Bare>::type{}, types<Bare, Seen...>{});
  }
}

/// `sound`, or the fault nearest to T's surface in the order in which its parts are declared.
template <class T>
using found_in = decltype(search<void, T>(types<>{}));

template <class T>
struct sendable_by_rule {
  static constexpr bool value = std::is_same_v<found_in<T>, sound>;
};

}  // namespace quiesce::detail
