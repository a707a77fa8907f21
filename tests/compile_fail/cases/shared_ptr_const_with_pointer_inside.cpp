// expect: quiesce: inside this argument (see member<Owner, Member>) is a raw pointer
// also: member<Link, int
#include "library.hpp"

#include <memory>

struct Link {
  int* target = nullptr;
};
q::Task<> work(q::Cx, std::shared_ptr<const Link>);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, std::make_shared<const Link>()); }
