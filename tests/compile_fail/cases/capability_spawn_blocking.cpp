// expect: quiesce: this context lacks the capability Blocking (cap::Blocking), which spawn_blocking needs
#include "library.hpp"

int work(q::BasicCx<q::cap::Spawn>);

void test(q::BasicCx<q::cap::Spawn> cx, q::Scope<>& scope) {
  (void)scope;
  (void)scope.spawn_blocking(cx, work);
}
