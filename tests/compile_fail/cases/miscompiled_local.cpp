// expect: quiesce: g++ 12 miscompiles a temporary lambda whose captures are not trivially copyable
// when: defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#include "library.hpp"

void test(q::Cx cx, q::Scope<>& scope) {
  std::string s;
  (void)scope.spawn_local(cx, [s](q::Cx) -> q::Task<> { co_return; });
}
