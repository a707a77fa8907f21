// expect: quiesce: this argument has inside (see member<Owner, Member>) something that is a reference
#include "fake.hpp"

#include <tuple>

void test(q::Cx cx, q::Scope<>& scope) {
  int n = 1;
  (void)scope.spawn(cx, [](q::Cx, auto) -> q::Task<> { co_return; }, std::tie(n));
}
