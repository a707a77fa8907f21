// The caller's word.
#include "library.hpp"

#include <functional>
#include <memory>

q::Task<> work(q::Cx, int*, int&);

void test(q::Cx cx, q::Scope<>& scope) {
  int n = 1;
  int* p = &n;
  (void)scope.spawn(cx, work, q::unsafe_send(p), q::unsafe_send(std::ref(n)));
  (void)scope.spawn(cx, q::unsafe_send([&n](q::Cx, int x) -> q::Task<int> { co_return n + x; }), 1);
  std::string s;
  auto named = [s](q::Cx) -> q::Task<std::string> { co_return s; };
  (void)scope.spawn(cx, q::unsafe_send(named));
  auto move_only = [u = std::make_unique<int>(1)](q::Cx) -> q::Task<int> { co_return *u; };
  (void)scope.spawn(cx, q::UnsafeSend(std::move(move_only)));
}
