// expect: quiesce: the task's error type must be constructible from quiesce::Error
#include "library.hpp"

q::Task<int, int> work(q::Cx);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work); }
