// expect: quiesce: a timeout of a task would lose what it has done: pass the function and its arguments
#include "library.hpp"

#include <quiesce/timeout.hpp>

q::Task<int> work(q::Cx cx);

void test(q::Cx cx) { (void)q::timeout(cx, q::Duration{1}, work(cx)); }
