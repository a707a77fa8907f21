// expect: quiesce: the result of this function is a std::shared_ptr
#include "library.hpp"

#include <memory>

q::Task<std::shared_ptr<int>> work(q::Cx);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work); }
