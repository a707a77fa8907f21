// expect: quiesce: this context lacks the capability Random (cap::Random), which random_index needs
#include "library.hpp"

void test(q::BasicCx<q::cap::Time> cx, q::Scope<>& scope) {
  (void)scope;
  (void)cx.random_index(3);
}
