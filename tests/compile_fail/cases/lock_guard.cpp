// expect: quiesce: this argument is a lock guard
#include "library.hpp"

#include <mutex>

q::Task<> work(q::Cx, std::unique_lock<std::mutex>);

void test(q::Cx cx, q::Scope<>& scope) {
  std::mutex m;
  (void)scope.spawn(cx, work, std::unique_lock(m));
}
