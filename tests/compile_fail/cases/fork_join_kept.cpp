// expect-regex: (use of deleted function|call to deleted constructor).*ForkJoin
#include <quiesce/fork_join.hpp>
#include "library.hpp"

q::Task<> work(q::Cx, int);

q::Task<> test(q::Cx cx) {
  auto kept = q::fork_join(cx, q::fork(work, 1), q::call(work, 2));
  co_await std::move(kept);
}
