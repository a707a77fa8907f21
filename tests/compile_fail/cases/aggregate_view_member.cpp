// expect: quiesce: inside this argument (see member<Owner, Member>) is a std::string_view
#include "library.hpp"

struct Job {
  int id = 0;
  std::string_view name;
};
q::Task<> work(q::Cx, Job);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, Job{}); }
