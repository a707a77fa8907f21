// A region's body may capture; by value under a name.
#include "library.hpp"

void test(q::Cx cx, q::Scope<>& scope) {
  int n = 1;
  std::string s;
  (void)scope.region(cx, q::FailFast{}, [&](q::Cx, q::Scope<>&) -> q::Task<int> { co_return n; });
  (void)scope.region(cx, q::CollectAll{}, [](q::Cx, auto&) -> q::Task<> { co_return; });
  auto body = [s](q::Cx, q::Scope<>&) -> q::Task<std::string> { co_return s; };
  (void)scope.region(cx, q::FailFast{}, body);
}
