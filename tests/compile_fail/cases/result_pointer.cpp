// expect: quiesce: the result of this function is a raw pointer
// also: result<int
#include "library.hpp"

q::Task<int*> work(q::Cx);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work); }
