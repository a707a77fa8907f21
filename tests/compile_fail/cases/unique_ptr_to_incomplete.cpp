// expect: quiesce: inside this argument (see member<Owner, Member>) is an object of a type that cannot be looked into
#include "library.hpp"

#include <memory>

struct Opaque;
struct Release {
  void operator()(Opaque*) const {}
};
q::Task<> work(q::Cx, std::unique_ptr<Opaque, Release>);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, std::unique_ptr<Opaque, Release>()); }
