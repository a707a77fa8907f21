// expect: quiesce: this context lacks the capability Blocking (cap::Blocking), which blocking_pool needs
#include "library.hpp"

void test(q::BasicCx<q::cap::None> cx, q::Scope<>& scope) {
  (void)scope;
  (void)cx.blocking_pool();
}
