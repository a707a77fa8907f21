// expect: quiesce: the result of this function is a std::string_view
#include "library.hpp"

std::string_view work(q::Cx, const std::string&);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn_blocking(cx, work, std::string()); }
