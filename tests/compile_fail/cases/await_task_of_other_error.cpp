// expect: quiesce: co_await of a Task needs this coroutine's E to be constructible from the child's E
#include "library.hpp"

struct Mine {
  explicit Mine(const q::Error&) {}
};
q::Task<int, Mine> work(q::Cx);

q::Task<int> test(q::Cx cx) { co_return co_await work(cx); }
