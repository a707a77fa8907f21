// expect: quiesce: this argument is a raw pointer
#include "library.hpp"

q::Task<> work(q::Cx, int*);

void test(q::Cx cx, q::Scope<>& scope) {
  int n[3] = {};
  (void)scope.spawn(cx, work, n);
}
