// expect: quiesce: a context cannot be widened
#include "library.hpp"

void test(q::BasicCx<q::cap::Time> cx) { (void)cx.restrict<q::cap::Union<q::cap::Time, q::cap::Spawn>>(); }
