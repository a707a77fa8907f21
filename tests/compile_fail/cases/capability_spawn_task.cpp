// expect: quiesce: this context lacks the capability Spawn (cap::Spawn), which spawn needs
#include "library.hpp"

q::Task<> work(q::BasicCx<q::cap::Time>);

void test(q::BasicCx<q::cap::Time> cx, q::Scope<>& scope) {
  (void)scope;
  (void)scope.spawn_task(cx, work);
}
