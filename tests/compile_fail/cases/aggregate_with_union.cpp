// expect: quiesce: this argument is an object of a type that cannot be looked into
#include "library.hpp"

struct Job {
  int id = 0;
  union {
    int i = 0;
    float f;
  };
};
q::Task<> work(q::Cx, Job);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, Job{}); }
