// expect: quiesce: this function takes a parameter by reference, and a coroutine keeps the reference
#include "library.hpp"

q::Task<> work(q::Cx, const std::string&);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, std::string("x")); }
