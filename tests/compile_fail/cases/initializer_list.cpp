// expect: quiesce: this argument is a view
#include "library.hpp"

#include <initializer_list>
#include <vector>

q::Task<> work(q::Cx, std::vector<int>);

void test(q::Cx cx, q::Scope<>& scope) {
  std::initializer_list<int> v = {1, 2};
  (void)scope.spawn(cx, work, v);
}
