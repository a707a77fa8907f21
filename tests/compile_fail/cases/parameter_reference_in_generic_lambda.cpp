// expect: quiesce: this function takes a parameter by reference, and a coroutine keeps the reference
#include "library.hpp"

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn(
      cx, [](q::Cx, int, const auto&) -> q::Task<> { co_return; }, 1, std::string());
}
