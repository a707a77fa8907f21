// expect: quiesce: this function must take the context, quiesce::Cx, as its first parameter
#include "library.hpp"

q::Task<> work(int);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, 1); }
