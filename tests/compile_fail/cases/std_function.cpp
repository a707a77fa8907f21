// expect: quiesce: this function must be a plain function or a captureless lambda
#include "library.hpp"

#include <functional>

void test(q::Cx cx, q::Scope<>& scope) {
  std::function<q::Task<>(q::Cx)> f = [](q::Cx) -> q::Task<> { co_return; };
  (void)scope.spawn(cx, f);
}
