// A partial specialisation.
#include "library.hpp"

template <class T>
struct Box {
  void* storage = nullptr;
};
template <class T>
inline constexpr bool quiesce::enable_sendable<Box<T>> = quiesce::Sendable<T>;
q::Task<> work(q::Cx, Box<int>);
q::Task<> other(q::Cx, Box<int*>);

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn(cx, work, Box<int>{});
  static_assert(!q::Sendable<Box<int*>>);
  static_assert(!q::detail::spawnable<decltype(&other), q::Cx, Box<int*>>);
}
