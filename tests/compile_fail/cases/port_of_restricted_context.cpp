// expect: quiesce: the tasks of a thread port get an unrestricted context
#include "library.hpp"

#include <quiesce/thread_port.hpp>

void test(q::BasicCx<q::cap::Spawn> cx, q::Scope<>& scope) { (void)q::thread_port(cx, scope); }
