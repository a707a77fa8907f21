// What survives inside an await on every compiler: no captures, trivial ones, references, a name.
#include "library.hpp"

q::Task<> test(q::Cx cx, q::Scope<>& scope) {
  int n = 1;
  std::string s;
  co_await scope.region(cx, q::FailFast{}, [](q::Cx, q::Scope<>&) -> q::Task<> { co_return; });
  co_await scope.region(cx, q::FailFast{}, [n](q::Cx, q::Scope<>&) -> q::Task<int> { co_return n; });
  co_await scope.region(cx, q::FailFast{}, [&](q::Cx, q::Scope<>&) -> q::Task<std::string> { co_return s; });
  auto body = [s](q::Cx, q::Scope<>&) -> q::Task<std::string> { co_return s; };
  co_await scope.region(cx, q::FailFast{}, body);
  auto finalizer = [s] { (void)s; };
  co_await scope.defer_sync(finalizer);
  co_await scope.defer_sync([&n] { ++n; });
  auto async = [s](q::Cx) -> q::Task<> { co_return; };
  co_await scope.defer_async(async);
}

void outside(q::Runtime& runtime) {
  std::string s;
  auto body = [s](q::Cx, q::Scope<>&) -> q::Task<std::string> { co_return s; };
  (void)runtime.block_on(body);
  (void)runtime.block_on([&](q::Cx, q::Scope<>&) -> q::Task<std::string> { co_return s; });
}
