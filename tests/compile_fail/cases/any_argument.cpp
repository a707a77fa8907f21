// expect: quiesce: this argument is a type-erased object
#include "library.hpp"

#include <any>

q::Task<> work(q::Cx, std::any);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, std::any(1)); }
