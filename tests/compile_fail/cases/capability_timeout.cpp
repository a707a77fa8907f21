// expect: quiesce: this context lacks the capability Time (cap::Time), which timeout needs
#include "library.hpp"

void test(q::BasicCx<q::cap::Spawn> cx, q::Scope<>& scope, q::TaskHandle<int> handle) {
  (void)scope.timeout(cx, q::Duration{}, std::move(handle));
}
