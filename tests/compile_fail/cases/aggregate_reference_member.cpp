// expect: quiesce: inside this argument (see member<Owner, Member>) is a reference
// also: member<Job, int
#include "library.hpp"

struct Job {
  std::string name;
  int& target;
};
q::Task<> work(q::Cx, Job);

void test(q::Cx cx, q::Scope<>& scope) {
  int n = 1;
  (void)scope.spawn(cx, work, Job{"x", n});
}
