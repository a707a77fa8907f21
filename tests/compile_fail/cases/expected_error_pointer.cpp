// expect: quiesce: inside this argument (see member<Owner, Member>) is a pointer to characters
#include "library.hpp"

#include <expected>

q::Task<> work(q::Cx, std::expected<int, const char*>);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, std::expected<int, const char*>(1)); }
