// expect: quiesce: inside this argument (see member<Owner, Member>) is a raw pointer
#include "library.hpp"

#include <memory>

q::Task<> work(q::Cx, std::unique_ptr<int*>);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, std::make_unique<int*>()); }
