// expect: quiesce: this argument is a raw pointer
#include "library.hpp"

q::Task<> work(q::Cx, const int*);

void test(q::Cx cx, q::Scope<>& scope) {
  const int n = 1;
  (void)scope.spawn(cx, work, &n);
}
