// expect: quiesce: inside this argument (see member<Owner, Member>) is an object of a type that opted out
// also: member<std::vector<Cursor>, Cursor>
#include "library.hpp"

#include <vector>

struct Cursor {
  int row = 0;
};
template <>
inline constexpr bool quiesce::enable_sendable<Cursor> = false;
q::Task<> work(q::Cx, std::vector<Cursor>);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, std::vector<Cursor>(1)); }
