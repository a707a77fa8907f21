// expect: quiesce: this context lacks the capability Io (cap::Io), which io needs
#include "library.hpp"

void test(q::BasicCx<q::cap::Union<q::cap::Spawn, q::cap::Time>> cx, q::Scope<>& scope) {
  (void)scope;
  (void)cx.io();
}
