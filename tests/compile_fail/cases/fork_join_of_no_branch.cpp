// expect: quiesce: fork_join takes forks and calls
#include <quiesce/fork_join.hpp>
#include "library.hpp"

q::Task<> work(q::Cx, int);

q::Task<> test(q::Cx cx) { co_await q::fork_join(cx, q::fork(work, 1), work(cx, 2)); }
