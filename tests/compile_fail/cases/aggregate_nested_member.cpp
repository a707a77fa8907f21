// expect: quiesce: inside this argument (see member<Owner, Member>) is a raw pointer
// also: member<std::optional<const double
#include "library.hpp"

#include <optional>
#include <vector>

struct Inner {
  std::optional<const double*> at;
};
struct Outer {
  int id = 0;
  Inner inner;
};
q::Task<> work(q::Cx, std::vector<Outer>);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, std::vector<Outer>(1)); }
