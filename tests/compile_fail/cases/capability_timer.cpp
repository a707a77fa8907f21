// expect: quiesce: this context lacks the capability Time (cap::Time), which a Timer needs
#include "library.hpp"

#include <quiesce/timer.hpp>

void test(q::BasicCx<q::cap::Spawn> cx) { q::Timer timer(cx, q::Duration{1}); }
