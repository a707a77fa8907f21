// expect: quiesce: this argument has inside (see member<Owner, Member>) something that is a std::string_view
#include "fake.hpp"

#include <tuple>

q::Task<> work(q::Cx, std::tuple<int, std::string_view>);

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn(cx, work, std::tuple<int, std::string_view>());
}
