// expect: quiesce: spawn_blocking takes an ordinary function
#include "library.hpp"

q::Task<> work(q::Cx);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn_blocking(cx, work); }
