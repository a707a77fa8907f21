// expect: quiesce: this argument is a std::shared_ptr
// also: Mutex
#include "library.hpp"

#include <quiesce/sync/mutex.hpp>

#include <memory>

q::Task<> work(q::Cx, std::shared_ptr<q::Mutex<int*>>);

void test(q::Cx cx, q::Scope<>& scope, std::shared_ptr<q::Mutex<int*>> mutex) {
  (void)scope.spawn(cx, work, mutex);
}
