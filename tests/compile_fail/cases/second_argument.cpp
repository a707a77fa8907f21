// expect: quiesce: this argument is a raw pointer
#include "library.hpp"

q::Task<> work(q::Cx, int, int*, std::string);

void test(q::Cx cx, q::Scope<>& scope) {
  int n = 1;
  (void)scope.spawn(cx, work, 1, &n, std::string("x"));
}
