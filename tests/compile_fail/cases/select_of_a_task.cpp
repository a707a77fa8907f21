// expect: quiesce: select waits for operations of the library
#include "library.hpp"

#include <quiesce/select.hpp>

q::Task<int> work(q::Cx cx);

void test(q::Cx cx) { (void)q::select(cx, work(cx), cx.sleep(q::Duration{1})); }
