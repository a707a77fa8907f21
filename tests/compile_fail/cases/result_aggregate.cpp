// expect: quiesce: inside the result of this function (see result_member<Owner, Member>) is a raw pointer
// also: result_member<Found, int
#include "library.hpp"

struct Found {
  int count = 0;
  int* first = nullptr;
};
q::Task<Found> work(q::Cx);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work); }
