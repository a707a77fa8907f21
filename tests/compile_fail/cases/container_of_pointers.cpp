// expect: quiesce: inside this argument (see member<Owner, Member>) is a raw pointer
// also: member<std::pair<const int, int
#include "library.hpp"

#include <map>

q::Task<> work(q::Cx, std::map<int, int*>);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, std::map<int, int*>()); }
