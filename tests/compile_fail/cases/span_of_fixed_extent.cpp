// expect: quiesce: this argument is a std::span
#include "library.hpp"

#include <span>

q::Task<> work(q::Cx, std::span<const int, 3>);

void test(q::Cx cx, q::Scope<>& scope) {
  int v[3] = {};
  (void)scope.spawn(cx, work, std::span<const int, 3>(v));
}
