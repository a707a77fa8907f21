// An error type of one's own.
#include "library.hpp"

struct Mine {
  explicit Mine(const q::Error&) {}
  operator q::Error() const { return q::Error("mine"); }
};
q::Task<std::string, Mine> work(q::Cx);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work); }
