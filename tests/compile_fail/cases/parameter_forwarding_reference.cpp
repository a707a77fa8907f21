// expect: quiesce: this function takes a parameter by reference, and a coroutine keeps the reference
#include "library.hpp"

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn(
      cx, [](auto, auto&&) -> q::Task<> { co_return; }, std::string());
}
