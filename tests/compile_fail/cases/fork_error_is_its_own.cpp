// expect: quiesce: a fork may become a task, whose E must convert to quiesce::Error
#include <quiesce/fork_join.hpp>
#include "library.hpp"

struct Own {
  explicit Own(const q::Error&);
};
q::Task<int, Own> work(q::Cx, int);

q::Task<int, Own> test(q::Cx cx) {
  auto [a, b] = co_await q::fork_join(cx, q::fork(work, 1), q::call(work, 2));
  co_return a + b;
}
