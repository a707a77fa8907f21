// expect: quiesce: g++ 12 miscompiles a temporary lambda whose captures are not trivially copyable
// when: defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#include "library.hpp"

q::Task<> test(q::Cx cx, q::Scope<>& scope) {
  std::string s;
  co_await scope.region_with_budget(cx, q::Budget{}, q::FailFast{},
                                    [s](q::Cx, q::Scope<>&) -> q::Task<> { co_return; });
}
