// expect: quiesce: this argument is an object of a type that cannot be looked into
// also: argument<Job>
#include "library.hpp"

struct Base {
  int id = 0;
};
struct Job : Base {
  int size = 0;
};
q::Task<> work(q::Cx, Job);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, Job{}); }
