// expect: quiesce: this argument is an iterator
#include "library.hpp"

#include <iterator>
#include <vector>

q::Task<> work(q::Cx, std::back_insert_iterator<std::vector<int>>);

void test(q::Cx cx, q::Scope<>& scope) {
  std::vector<int> v;
  (void)scope.spawn(cx, work, std::back_inserter(v));
}
