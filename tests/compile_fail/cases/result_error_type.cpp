// expect: quiesce: the result of this function has inside (see result_member<Owner, Member>) something that is a raw pointer
#include "fake.hpp"

struct Mine {
  Mine(const q::Error&) {}
  operator q::Error() const { return q::Error("mine"); }
  using value_type = int*;
};
q::Task<int, Mine> work(q::Cx);

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn(cx, work);
}
