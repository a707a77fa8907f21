// expect: quiesce: Task<T, E>: E must be constructible from quiesce::Error
#include "library.hpp"

q::Task<int, int> test(q::Cx) { co_return 1; }
