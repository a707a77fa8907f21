// expect: quiesce: this argument
// also: MutexGuard
#include "library.hpp"

#include <quiesce/sync/mutex.hpp>

q::Task<> work(q::Cx, q::MutexGuard<int>);

void test(q::Cx cx, q::Scope<>& scope, q::Mutex<int>& mutex) { (void)scope.spawn(cx, work, *mutex.try_lock()); }
