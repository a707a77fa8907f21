// expect: quiesce: this function must return a quiesce::Task<T>
#include "library.hpp"

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.region(cx, q::FailFast{}, [](q::Cx, q::Scope<>&) { return 1; });
}
