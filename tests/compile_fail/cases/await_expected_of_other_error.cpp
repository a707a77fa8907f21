// expect: quiesce: co_await of a std::expected needs this coroutine's E to be constructible from its error
#include "library.hpp"

q::Task<int> test(q::Cx) { co_return co_await std::expected<int, int>(1); }
