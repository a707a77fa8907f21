// expect: quiesce: a context cannot be widened
#include "library.hpp"

q::Task<> test(q::BasicCx<q::cap::Spawn> cx, q::Scope<>& scope) {
  co_await scope.region(cx, q::FailFast{}, [](q::Cx, q::Scope<>&) -> q::Task<> { co_return; });
}
