// expect: quiesce: this argument is an iterator
#include "library.hpp"

#include <vector>

q::Task<> work(q::Cx, std::vector<int>::iterator);

void test(q::Cx cx, q::Scope<>& scope) {
  std::vector<int> v(3);
  (void)scope.spawn(cx, work, v.begin());
}
