// expect: quiesce: this argument has inside (see member<Owner, Member>) something that is a raw pointer
#include "fake.hpp"

#include <variant>

q::Task<> work(q::Cx, std::variant<int, int*>);

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn(cx, work, std::variant<int, int*>());
}
