// expect: quiesce: a context cannot be widened
#include "library.hpp"

q::Task<> work(q::Cx);

void test(q::BasicCx<q::cap::Spawn> cx, q::Scope<>& scope) { (void)scope.spawn(cx, work); }
