#include "library.hpp"

// Must compile, and does not.
q::Task<> work(q::Cx, int*);

void test(q::Cx cx, q::Scope<>& scope) {
  int n = 1;
  (void)scope.spawn(cx, work, &n);
}
