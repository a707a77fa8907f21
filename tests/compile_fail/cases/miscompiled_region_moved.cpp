// expect: give the lambda a name and pass the name
// when: defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#include "library.hpp"

q::Task<> test(q::Cx cx, q::Scope<>& scope) {
  std::string s;
  auto body = [s](q::Cx, q::Scope<>&) -> q::Task<> { co_return; };
  co_await scope.region(cx, q::FailFast{}, std::move(body));
}
