// expect: quiesce: this context lacks the capability Time (cap::Time), which sleep needs
#include "library.hpp"

void test(q::BasicCx<q::cap::None> cx, q::Scope<>& scope) {
  (void)scope;
  (void)cx.sleep(q::Duration{});
}
