// expect: quiesce: the result of this function is a std::string_view
#include "library.hpp"

q::Task<std::string_view> work(q::Cx);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work); }
