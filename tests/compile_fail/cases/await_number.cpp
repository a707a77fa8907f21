// expect: quiesce: this cannot be awaited
#include "library.hpp"

q::Task<> test(q::Cx) { co_await 42; }
