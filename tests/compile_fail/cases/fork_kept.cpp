// expect-regex: (is private within this context|calling a private constructor)
#include <quiesce/fork_join.hpp>
#include "library.hpp"

q::Task<> work(q::Cx, int);

q::Task<> test(q::Cx cx) {
  auto kept = q::fork(work, 1);
  co_await q::fork_join(cx, std::move(kept), q::call(work, 2));
}
