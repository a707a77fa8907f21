// expect: quiesce: fork_join needs this coroutine's E to be constructible from the E of every branch
#include <quiesce/fork_join.hpp>
#include "library.hpp"

struct Own {
  explicit Own(const q::Error&);
  explicit operator q::Error() const;
};
struct Other {
  explicit Other(const q::Error&);
};
q::Task<int, Own> work(q::Cx, int);

q::Task<int, Other> test(q::Cx cx) {
  auto [a, b] = co_await q::fork_join(cx, q::fork(work, 1), q::call(work, 2));
  co_return a + b;
}
