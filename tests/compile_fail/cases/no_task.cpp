// expect: quiesce: this function must return a quiesce::Task<T>
#include "library.hpp"

int work(q::Cx);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work); }
