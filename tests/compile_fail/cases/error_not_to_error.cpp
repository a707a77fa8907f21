// expect: quiesce: the task's error type must convert to quiesce::Error
#include "library.hpp"

struct Mine {
  explicit Mine(const q::Error&) {}
};
q::Task<int, Mine> work(q::Cx);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work); }
