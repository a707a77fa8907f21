// expect: quiesce: this argument is a std::string_view, which borrows its characters: write std::string
#include "library.hpp"

#include <string_view>

q::Task<> work(q::Cx, std::string_view);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, std::string_view("name")); }
