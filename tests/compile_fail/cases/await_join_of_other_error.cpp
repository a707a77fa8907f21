// expect: quiesce: co_await of a join needs this coroutine's E to be constructible from the task's E
#include "library.hpp"

struct Mine {
  explicit Mine(const q::Error&) {}
};

q::Task<int> test(q::Cx cx, q::TaskHandle<int, Mine> handle) { co_return co_await handle.join(cx); }
