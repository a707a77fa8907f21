// expect: quiesce: this context lacks the capability Time (cap::Time), which hedge needs
#include "library.hpp"

q::Task<int> work(q::BasicCx<q::cap::Spawn>);

void test(q::BasicCx<q::cap::Spawn> cx, q::Scope<>& scope) { (void)scope.hedge(cx, q::Duration{}, work, work); }
