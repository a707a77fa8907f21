// expect: quiesce: this function must be a plain function or a captureless lambda
#include "library.hpp"

struct Counter {
  int n;
  q::Task<int> operator()(q::Cx) const { co_return n; }
};

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, Counter{3}); }
