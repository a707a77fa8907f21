// expect: quiesce: fork_join takes at most one call
#include <quiesce/fork_join.hpp>
#include "library.hpp"

q::Task<> work(q::Cx, int);

q::Task<> test(q::Cx cx) { co_await q::fork_join(cx, q::call(work, 1), q::call(work, 2)); }
