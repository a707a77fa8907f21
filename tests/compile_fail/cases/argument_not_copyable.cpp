// expect: quiesce: this argument cannot be copied into the task: pass it with std::move
#include "library.hpp"

#include <memory>

q::Task<> work(q::Cx, std::unique_ptr<int>);

void test(q::Cx cx, q::Scope<>& scope) {
  auto p = std::make_unique<int>(1);
  (void)scope.spawn(cx, work, p);
}
