#pragma once

// Tells closures from other classes, for which the language has no question: by the name that the compiler
// prints.

#include <cstddef>
#include <string_view>
#include <type_traits>

namespace quiesce {

template <class T>
class UnsafeSend;

namespace detail {

/// "… [with T = NAME]" (g++) or "… [T = NAME]" (clang). Returns a plain pointer: g++ would append the expansion
/// of any alias that the signature names.
template <class T>
consteval const char* signature_text() {
  return __PRETTY_FUNCTION__;
}

/// g++ names a closure "main()::<lambda(int)>": the '<' that the last '>' closes begins "<lambda". The text
/// before it may be anything, a lambda's own body among it ("main()::<lambda()>::Local" is no closure).
constexpr bool names_closure_gcc(std::string_view name) {
  if (name.empty() || name.back() != '>') return false;
  std::size_t depth = 0;
  for (std::size_t i = name.size(); i-- > 0;) {
    if (name[i] == '>') ++depth;
    if (name[i] == '<' && --depth == 0) return name.substr(i).starts_with("<lambda");
  }
  return false;
}

/// clang names it "(lambda at file:line:column)", whatever it stands in.
constexpr bool names_closure_clang(std::string_view name) { return name.starts_with("(lambda at "); }

template <class T>
consteval bool named_as_closure() {
  std::string_view text = signature_text<T>();
  text.remove_prefix(text.find("T = ") + 4);
  text.remove_suffix(text.size() - text.rfind(']'));
  return names_closure_gcc(text) || names_closure_clang(text);
}

template <class T>
inline constexpr bool is_closure = false;
template <class T>
requires(std::is_class_v<T> &&
         !std::is_aggregate_v<T>) inline constexpr bool is_closure<T> = named_as_closure<T>();

template <class T>
inline constexpr bool is_unsafe_send = false;
template <class T>
inline constexpr bool is_unsafe_send<UnsafeSend<T>> = true;

template <class T>
inline constexpr bool is_function_pointer = std::is_pointer_v<T>&& std::is_function_v<std::remove_pointer_t<T>>;

/// F is decayed. An empty class holds nothing, closure or not.
template <class F>
concept CapturesNothing = is_function_pointer<F> ||
    (std::is_class_v<F> && (std::is_empty_v<F> || is_unsafe_send<F>));

// g++ before 13 copies a temporary closure bit by bit, and destroys it twice, when it stands in a full
// expression with a co_await and has a by-value capture that is not trivially copyable. Whoever takes a
// callable that may be written inside an awaited expression takes it as F&& and asserts SurvivesAwait<F>: an
// lvalue (a named closure) survives.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
inline constexpr bool compiler_breaks_closures = true;
#else
inline constexpr bool compiler_breaks_closures = false;
#endif

template <class F>
inline constexpr bool breaks_in_await =
    compiler_breaks_closures && !std::is_reference_v<F> && is_closure<std::remove_cvref_t<F>> &&
    !std::is_trivially_copyable_v<std::remove_cvref_t<F>>;

template <class F>
concept SurvivesAwait = !breaks_in_await<F>;

}  // namespace detail
}  // namespace quiesce

#define QUIESCE_DETAIL_MISCOMPILED_CLOSURE                                                             \
  "quiesce: g++ 12 miscompiles a temporary lambda whose captures are not trivially copyable inside a " \
  "co_await "                                                                                          \
  "expression: give the lambda a name and pass the name (if it can only be moved: "                    \
  "quiesce::UnsafeSend(std::move(name)))"
