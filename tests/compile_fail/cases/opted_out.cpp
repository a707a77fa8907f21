// expect: quiesce: this argument is an object of a type that opted out (quiesce::enable_sendable<T> is false)
// also: argument<Cursor>
#include "library.hpp"

struct Cursor {
  int row = 0;
};
template <>
inline constexpr bool quiesce::enable_sendable<Cursor> = false;
q::Task<> work(q::Cx, Cursor);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, Cursor{}); }
