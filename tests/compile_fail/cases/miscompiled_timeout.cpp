// expect: quiesce: g++ 12 miscompiles a temporary lambda whose captures are not trivially copyable
// when: defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#include "library.hpp"

#include <quiesce/timeout.hpp>

void test(q::Cx cx) {
  std::string s;
  (void)q::timeout(cx, q::Duration{1}, [s](q::Cx) -> q::Task<> { co_return; });
}
