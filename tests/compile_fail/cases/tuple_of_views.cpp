// expect: quiesce: inside this argument (see member<Owner, Member>) is a std::string_view
#include "library.hpp"

#include <tuple>

q::Task<> work(q::Cx, std::tuple<int, std::string_view>);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, std::tuple<int, std::string_view>()); }
