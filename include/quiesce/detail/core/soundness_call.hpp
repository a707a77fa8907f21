#pragma once

// How a spawned callable is called, whether it takes its parameters by value, and what its Task carries.

#include <quiesce/sendable.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace quiesce::detail {

// ---- the call: f(context, arguments as rvalues of their decayed types, out of their UnsafeSend) -

template <class A>
using received_t = unwrapped_t<std::decay_t<A>>;

template <class F, class Cx, class... Args>
using raw_call_result_t = decltype(std::declval<F&>()(std::declval<Cx>(), std::declval<received_t<Args>>()...));

template <class F, class Cx, class... Args>
concept CallableAs = requires {
  typename raw_call_result_t<std::decay_t<F>, Cx, Args...>;
};

struct NotCallable {};

template <class F, class Cx, class... Args>
struct call_result {
  using type = NotCallable;
};
template <class F, class Cx, class... Args>
requires CallableAs<F, Cx, Args...>
struct call_result<F, Cx, Args...> {
  using type = raw_call_result_t<std::decay_t<F>, Cx, Args...>;
};
template <class F, class Cx, class... Args>
using call_result_t = typename call_result<F, Cx, Args...>::type;

template <class F, class Cx, class Scope>
concept CallableAsBody = requires(std::remove_reference_t<F>& f, Scope& scope) {
  f(std::declval<Cx>(), scope);
};

template <class F, class Cx, class Scope>
struct body_result {
  using type = NotCallable;
};
template <class F, class Cx, class Scope>
requires CallableAsBody<F, Cx, Scope>
struct body_result<F, Cx, Scope> {
  using type =
      decltype(std::declval<std::remove_reference_t<F>&>()(std::declval<Cx>(), std::declval<Scope&>()));
};

// ---- parameters: a coroutine that takes one by reference keeps a reference to what dies with the call

template <class R, class... P>
types<P...> parameters_of(R (*)(P...));
template <class F, class R, class... P>
types<P...> parameters_of(R (F::*)(P...));
template <class F, class R, class... P>
types<P...> parameters_of(R (F::*)(P...) const);
template <class F, class R, class... P>
types<P...> parameters_of(R (F::*)(P...) &);
template <class F, class R, class... P>
types<P...> parameters_of(R (F::*)(P...) const&);

/// Only where there is one call operator and it is no template.
template <class F>
concept HasOneSignature = is_function_pointer<F> || requires {
  parameters_of(&F::operator());
};

template <class F>
struct parameters {
  using type = decltype(parameters_of(&F::operator()));
};
template <class F>
requires is_function_pointer<F>
struct parameters<F> {
  using type = decltype(parameters_of(std::declval<F>()));
};

/// Whoever sends something unsafely also answers for the reference.
template <class P, class A>
inline constexpr bool received_by_value = !std::is_reference_v<P> || is_unsafe_send<std::decay_t<A>>;

template <class... P>
consteval bool by_value(types<>, types<P...>) {
  return true;
}
template <class A, class... As, class P, class... Ps>
consteval bool by_value(types<A, As...>, types<P, Ps...>) {
  return received_by_value<P, A> && by_value(types<As...>{}, types<Ps...>{});
}
template <class A, class... As>
consteval bool by_value(types<A, As...>, types<>) {
  return true;  // Fewer parameters than arguments: not callable, which has a sentence of its own.
}

// A generic call operator has no signature to look at, but tells when it is asked for one: `auto` can be turned
// into a pointer to member that takes a T, `const auto&` and `auto&&` cannot, only into one that takes a
// reference. Where neither fits (an argument is converted), nothing is known and nothing refused.

template <class F, class R, class... P>
concept HasExactCall = requires {
  static_cast<R (F::*)(P...) const>(&F::operator());
}
|| requires { static_cast<R (F::*)(P...)>(&F::operator()); }
|| requires { static_cast<R (*)(P...)>(&F::operator()); };

template <bool Replace, class T, class Ref>
using replaced_t = std::conditional_t<Replace, Ref, T>;

template <class F, class R, std::size_t I, std::size_t... J, class... P>
consteval bool takes_reference_at(std::index_sequence<J...>, types<P...>) {
  return HasExactCall<F, R, replaced_t<I == J, P, const P&>...> ||
         HasExactCall<F, R, replaced_t<I == J, P, P&&>...>;
}

template <class F, class R, std::size_t... I, class... P>
consteval bool takes_some_reference(std::index_sequence<I...> all, types<P...> list) {
  return HasExactCall<F, R, const P&...> || HasExactCall<F, R, P&&...> ||
         (takes_reference_at<F, R, I>(all, list) || ...);
}

template <class F, class Cx, class... Args>
consteval bool takes_by_value() {
  if constexpr (is_unsafe_send<F>) {
    return takes_by_value<unwrapped_t<F>, Cx, Args...>();
  } else if constexpr (HasOneSignature<F>) {
    return by_value(types<Cx, Args...>{}, typename parameters<F>::type{});
  } else if constexpr (CallableAs<F, Cx, Args...> && !(is_unsafe_send<std::decay_t<Args>> || ...)) {
    using R = call_result_t<F, Cx, Args...>;
    if constexpr (HasExactCall<F, R, Cx, std::decay_t<Args>...>) {
      return true;
    } else {
      return !takes_some_reference<F, R>(std::make_index_sequence<1 + sizeof...(Args)>{},
                                         types<Cx, std::decay_t<Args>...>{});
    }
  } else {
    return true;
  }
}

template <class F, class Cx, class... Args>
concept TakesByValue = takes_by_value<std::decay_t<F>, Cx, Args...>();

// ---- context: the first parameter ---------------------------------------------------------------

template <class Cx>
consteval bool starts_with_context(types<>) {
  return false;
}
template <class Cx, class P, class... Ps>
consteval bool starts_with_context(types<P, Ps...>) {
  return std::is_convertible_v<Cx, P> || std::is_convertible_v<Cx&, P>;
}

template <class F, class Cx>
consteval bool takes_context() {
  if constexpr (is_unsafe_send<F>) {
    return takes_context<unwrapped_t<F>, Cx>();
  } else if constexpr (HasOneSignature<F>) {
    return starts_with_context<Cx>(typename parameters<F>::type{});
  } else {
    return true;
  }
}

template <class F, class Cx>
concept TakesContext = takes_context<std::decay_t<F>, Cx>();

// ---- the result ---------------------------------------------------------------------------------

template <class R>
struct task_parts {
  using value_type = void;
  using error_type = Error;
};
template <class T, class E>
struct task_parts<Task<T, E>> {
  using value_type = T;
  using error_type = E;
};

template <class R>
concept ReturnsTask = is_task<R>;
template <class R>
concept ReturnsNoTask = !is_task<R>;

/// Error is complete wherever a Task is; it is looked at only for a task with an error type of its own.
template <class E>
concept MadeFromError = std::is_same_v<E, Error> || std::is_constructible_v<E, Error>;
template <class E>
concept BecomesError = std::is_same_v<E, Error> || std::is_constructible_v<Error, E>;

template <class R>
concept sendable_result = ReturnsTask<R> && Sendable<typename task_parts<R>::value_type> &&
    Sendable<typename task_parts<R>::error_type> && MadeFromError<typename task_parts<R>::error_type> &&
    BecomesError<typename task_parts<R>::error_type>;

}  // namespace quiesce::detail
