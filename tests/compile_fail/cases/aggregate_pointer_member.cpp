// expect: quiesce: inside this argument (see member<Owner, Member>) is a raw pointer
// also: member<Job, int
#include "library.hpp"

struct Job {
  std::string name;
  int* target = nullptr;
};
q::Task<> work(q::Cx, Job);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, Job{}); }
