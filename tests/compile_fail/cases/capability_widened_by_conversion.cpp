// expect: quiesce: a context cannot be widened
#include "library.hpp"

void with_everything(q::Cx);

void test(q::BasicCx<q::cap::Time> cx) { with_everything(cx); }
