// expect: quiesce: this context lacks the capability Remote (cap::Remote), which remote needs
#include "library.hpp"

void test(q::BasicCx<q::cap::None> cx, q::Scope<>& scope) {
  (void)scope;
  (void)cx.remote();
}
