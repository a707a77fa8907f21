// expect: quiesce: this function cannot be called with the context and these arguments
#include <quiesce/fork_join.hpp>
#include "library.hpp"

q::Task<> work(q::Cx, int);

q::Task<> test(q::Cx cx) { co_await q::fork_join(cx, q::fork(work, 1), q::call(work, std::string("two"))); }
