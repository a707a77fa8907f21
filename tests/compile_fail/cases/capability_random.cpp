// expect: quiesce: this context lacks the capability Random (cap::Random), which random_u64 needs
#include "library.hpp"

void test(q::BasicCx<q::cap::None> cx, q::Scope<>& scope) {
  (void)scope;
  (void)cx.random_u64();
}
