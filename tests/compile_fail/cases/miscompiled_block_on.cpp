// expect: quiesce: g++ 12 miscompiles a temporary lambda whose captures are not trivially copyable
// when: defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#include "library.hpp"

void test(q::Runtime& runtime) {
  std::string s;
  (void)runtime.block_on([s](q::Cx, q::Scope<>&) -> q::Task<> { co_return; });
}
