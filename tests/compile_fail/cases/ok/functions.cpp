// Functions, captureless lambdas, generic ones, empty function objects.
#include "library.hpp"

q::Task<int> plain(q::Cx, int);
struct Empty {
  q::Task<> operator()(q::Cx, int) const { co_return; }
};

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn(cx, plain, 1);
  (void)scope.spawn(cx, &plain, 1);
  (void)scope.spawn(
      cx, [](q::Cx, int x) -> q::Task<int> { co_return x; }, 1);
  (void)scope.spawn(
      cx, [](q::Cx, auto x, auto... more) -> q::Task<int> { co_return x + int(sizeof...(more)); }, 1, 2L);
  (void)scope.spawn(
      cx, [](auto, auto x) -> q::Task<int> { co_return x; }, 1);
  (void)scope.spawn(cx, Empty{}, 1);
  (void)scope.spawn(cx, [](q::Cx) mutable noexcept -> q::Task<> { co_return; });
}
