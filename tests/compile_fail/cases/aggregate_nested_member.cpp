// expect: quiesce: this argument has inside (see member<Owner, Member>) something that is a raw pointer
// also: member<std::optional<const double
#include "fake.hpp"

#include <vector>
#include <optional>

struct Inner {
  std::optional<const double*> at;
};
struct Outer {
  int id = 0;
  Inner inner;
};
q::Task<> work(q::Cx, std::vector<Outer>);

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn(cx, work, std::vector<Outer>(1));
}
