// expect: quiesce: inside this argument (see member<Owner, Member>) is a reference
#include "library.hpp"

#include <tuple>

void test(q::Cx cx, q::Scope<>& scope) {
  int n = 1;
  (void)scope.spawn(
      cx, [](q::Cx, auto) -> q::Task<> { co_return; }, std::tie(n));
}
