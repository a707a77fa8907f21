// expect: quiesce: this argument is a lambda with captures
#include "library.hpp"

void test(q::Cx cx, q::Scope<>& scope) {
  int n = 1;
  (void)scope.spawn(
      cx, [](q::Cx, auto f) -> q::Task<int> { co_return f(); }, [&n] { return n; });
}
