// A local task may capture and borrow.
#include "library.hpp"

void test(q::Cx cx, q::Scope<>& scope) {
  int n = 1;
  std::string s;
  (void)scope.spawn_local(
      cx, [&](q::Cx, int* p) -> q::Task<int*> { co_return p ? p : &n; }, &n);
  auto named = [s](q::Cx) -> q::Task<> { co_return; };
  (void)scope.spawn_local(cx, named);
}
