// expect: quiesce: fork and call take a function that returns a Task
#include <quiesce/fork_join.hpp>
#include "library.hpp"

int twice(q::Cx, int x) { return 2 * x; }

q::Task<> test(q::Cx cx) { co_await q::fork_join(cx, q::fork(twice, 1), q::call(twice, 2)); }
