// expect: quiesce: this context lacks the capability Time (cap::Time), which interval needs
#include "library.hpp"

#include <quiesce/interval.hpp>

void test(q::BasicCx<q::cap::None> cx) { (void)q::interval(cx, q::Duration{1}); }
