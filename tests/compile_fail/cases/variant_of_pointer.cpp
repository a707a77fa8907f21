// expect: quiesce: inside this argument (see member<Owner, Member>) is a raw pointer
#include "library.hpp"

#include <variant>

q::Task<> work(q::Cx, std::variant<int, int*>);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, std::variant<int, int*>()); }
