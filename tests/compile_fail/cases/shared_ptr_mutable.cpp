// expect: quiesce: this argument is a std::shared_ptr or std::weak_ptr to data that several tasks could write at a time: make it std::shared_ptr<const T>, or specialise quiesce::enable_sync<T>
#include "library.hpp"

#include <memory>

q::Task<> work(q::Cx, std::shared_ptr<int>);

void test(q::Cx cx, q::Scope<>& scope) {
  auto p = std::make_shared<int>(1);
  (void)scope.spawn(cx, work, p);
}
