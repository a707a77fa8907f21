// expect: quiesce: this function cannot be called with the context and these arguments
#include "library.hpp"

void test(q::Cx cx, q::Scope<>& scope) {
  int n = 1;
  (void)scope.spawn(cx, q::unsafe_send([n](q::Cx, std::string) -> q::Task<int> { co_return n; }), 1);
}
