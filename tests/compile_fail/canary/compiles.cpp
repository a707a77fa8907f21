// expect: quiesce: this argument is a raw pointer
#include "library.hpp"

// Nothing is wrong here: a harness that passes this case cannot see a refusal that has gone.
q::Task<> work(q::Cx, int);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, 1); }
