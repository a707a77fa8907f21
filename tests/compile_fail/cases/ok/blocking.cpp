// A blocking job may take its parameters by reference: the job keeps them.
#include "library.hpp"

std::size_t size_of(q::Cx, const std::string&);

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn_blocking(cx, size_of, std::string("a"));
  (void)scope.spawn_blocking(cx, [](q::Cx) {});
}
