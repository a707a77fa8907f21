// expect: quiesce: this function cannot be called with the context and these arguments
#include "library.hpp"

q::Task<> work(q::Cx, int);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work); }
