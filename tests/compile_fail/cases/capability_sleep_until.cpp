// expect: quiesce: this context lacks the capability Time (cap::Time), which sleep_until needs
#include "library.hpp"

void test(q::BasicCx<q::cap::Spawn> cx, q::Scope<>& scope) {
  (void)scope;
  (void)cx.sleep_until(cx.now());
}
