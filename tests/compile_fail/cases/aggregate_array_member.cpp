// expect: quiesce: inside this argument (see member<Owner, Member>) is a raw pointer
// also: member<int
#include "library.hpp"

struct Job {
  int sizes[4] = {};
  int* targets[2] = {};
};
q::Task<> work(q::Cx, Job);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, Job{}); }
