// expect: quiesce: this argument is a std::reference_wrapper (std::ref)
#include "library.hpp"

#include <functional>

q::Task<> work(q::Cx, int);

void test(q::Cx cx, q::Scope<>& scope) {
  int n = 1;
  (void)scope.spawn(cx, work, std::ref(n));
}
