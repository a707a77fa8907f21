// expect: quiesce: co_await fail(e) needs the coroutine's E to be constructible from e
#include "library.hpp"

q::Task<> test(q::Cx) { co_await q::fail(42); }
