// expect: quiesce: this argument is a std::span
#include "library.hpp"

// Refused, with another sentence than the one expected.
q::Task<> work(q::Cx, int*);

void test(q::Cx cx, q::Scope<>& scope) {
  int n = 1;
  (void)scope.spawn(cx, work, &n);
}
