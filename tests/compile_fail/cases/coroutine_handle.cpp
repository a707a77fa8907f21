// expect: quiesce: this argument is a std::coroutine_handle
#include "library.hpp"

#include <coroutine>

q::Task<> work(q::Cx, std::coroutine_handle<>);

void test(q::Cx cx, q::Scope<>& scope) { (void)scope.spawn(cx, work, std::coroutine_handle<>()); }
