// expect: quiesce: this argument is a pointer to characters (a string literal becomes one): write std::string
#include "library.hpp"

q::Task<> work(q::Cx, std::string);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, "name"); }
