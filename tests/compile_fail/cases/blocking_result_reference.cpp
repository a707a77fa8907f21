// expect: quiesce: the result of this function is a reference
#include "library.hpp"

const std::string& work(q::Cx, const std::string&);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn_blocking(cx, work, std::string()); }
