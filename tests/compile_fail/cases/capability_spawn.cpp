// expect: quiesce: this context lacks the capability Spawn (cap::Spawn), which spawn needs
#include "library.hpp"

q::Task<> work(q::BasicCx<q::cap::None>);

void test(q::BasicCx<q::cap::None> cx, q::Scope<>& scope) {
  (void)scope;
  (void)scope.spawn(cx, work);
}
