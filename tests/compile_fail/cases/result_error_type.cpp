// expect: quiesce: the result of this function is an object of a type that opted out
#include "library.hpp"

struct Mine {
  explicit Mine(const q::Error&) {}
  operator q::Error() const { return q::Error("mine"); }
};
template <>
inline constexpr bool quiesce::enable_sendable<Mine> = false;
q::Task<int, Mine> work(q::Cx);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work); }
