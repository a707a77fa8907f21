// expect: quiesce: this argument is a std::shared_ptr or std::weak_ptr
#include "library.hpp"

#include <memory>

q::Task<> work(q::Cx, std::weak_ptr<std::string>);

void test(q::Cx cx, q::Scope<>& scope) {
  auto p = std::make_shared<std::string>("x");
  (void)scope.spawn(cx, work, std::weak_ptr<std::string>(p));
}
