// expect: quiesce: this function must return a quiesce::Task<T>
#include "library.hpp"

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn_local(cx, [](q::Cx) { return 1; });
}
