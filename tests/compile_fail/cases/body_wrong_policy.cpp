// expect: quiesce: this body cannot be called as Task<T>(quiesce::Cx, quiesce::Scope<P>&)
#include "library.hpp"

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.region(cx, q::CollectAll{}, [](q::Cx, q::Scope<q::FailFast>&) -> q::Task<> { co_return; });
}
