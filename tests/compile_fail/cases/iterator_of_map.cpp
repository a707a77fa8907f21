// expect: quiesce: this argument is an iterator
#include "library.hpp"

#include <map>

q::Task<> work(q::Cx, std::map<int, int>::const_iterator);

void test(q::Cx cx, q::Scope<>& scope) {
  std::map<int, int> m;
  (void)scope.spawn(cx, work, m.cbegin());
}
