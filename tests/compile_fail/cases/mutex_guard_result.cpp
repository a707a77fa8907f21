// expect: quiesce: the result of this function is an object of a type that opted out
// also: MutexGuard
#include "library.hpp"

#include <quiesce/sync/mutex.hpp>

q::Task<q::MutexGuard<int>> work(q::Cx);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work); }
