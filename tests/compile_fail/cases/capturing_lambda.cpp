// expect: quiesce: this function must be a plain function or a captureless lambda
#include "library.hpp"

void test(q::Cx cx, q::Scope<>& scope) {
  int n = 1;
  (void)scope.spawn(cx, [n](q::Cx) -> q::Task<int> { co_return n; });
}
