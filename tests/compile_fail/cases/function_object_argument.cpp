// expect: quiesce: this argument is a type-erased object
#include "library.hpp"

#include <functional>

q::Task<> work(q::Cx, std::function<int()>);

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn(cx, work, std::function<int()>([] { return 1; }));
}
