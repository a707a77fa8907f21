// expect: quiesce:
// also: Sender<int
#include "library.hpp"

#include <quiesce/channel/mpsc.hpp>

q::Task<> work(q::Cx, q::mpsc::Sender<int*>);

void test(q::Cx cx, q::Scope<>& scope, q::mpsc::Sender<int*> tx) { (void)scope.spawn(cx, work, tx); }
