// expect: quiesce: this context lacks the capability Registry (cap::Registry), which registry needs
#include "library.hpp"

void test(q::BasicCx<q::cap::None> cx, q::Scope<>& scope) {
  (void)scope;
  (void)cx.registry();
}
