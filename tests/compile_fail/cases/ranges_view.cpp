// expect: quiesce: this argument is a view, which borrows its elements: make it a container
#include "library.hpp"

#include <ranges>
#include <vector>

void test(q::Cx cx, q::Scope<>& scope) {
  std::vector<int> v(3);
  (void)scope.spawn(
      cx, [](q::Cx, auto) -> q::Task<> { co_return; }, v | std::views::reverse);
}
