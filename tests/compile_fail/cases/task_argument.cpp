// expect: quiesce: this argument is a Task, and what its frame borrows cannot be seen
#include "library.hpp"

q::Task<> other(q::Cx);
q::Task<> work(q::Cx, q::Task<>);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, other(cx)); }
