// expect: quiesce: g++ 12 miscompiles a temporary lambda whose captures are not trivially copyable
// when: defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#include "library.hpp"

q::Task<> test(q::Scope<>& scope) {
  std::string s;
  co_await scope.defer_async([s](q::Cx) -> q::Task<> { co_return; });
}
