// expect: quiesce: timeout needs an operation (rx.recv(), handle.join(cx), …) or a function
#include "library.hpp"

#include <quiesce/timeout.hpp>

void test(q::Cx cx) { (void)q::timeout(cx, q::Duration{1}, 7); }
