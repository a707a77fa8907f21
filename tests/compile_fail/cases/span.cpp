// expect: quiesce: this argument is a std::span, which borrows its elements: write std::vector
#include "library.hpp"

#include <span>
#include <vector>

q::Task<> work(q::Cx, std::span<int>);

void test(q::Cx cx, q::Scope<>& scope) {
  std::vector<int> v(3);
  (void)scope.spawn(cx, work, std::span<int>(v));
}
