// A generic lambda whose other parameter is converted to.
#include "library.hpp"

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn(
      cx, [](q::Cx, auto x, std::string) -> q::Task<int> { co_return x; }, 1, std::string("a"));
  (void)scope.spawn(
      cx, [](q::Cx, auto x, double) -> q::Task<int> { co_return x; }, 1, 2);
}
