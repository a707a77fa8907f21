// expect: quiesce: an await consumes its task: write co_await std::move(task)
#include "library.hpp"

q::Task<int> work(q::Cx);

q::Task<int> test(q::Cx cx) {
  auto task = work(cx);
  co_return co_await task;
}
