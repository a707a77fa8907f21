// expect: quiesce: a parallel algorithm needs a range with random access and a size
#include <quiesce/parallel/for_each.hpp>
#include "library.hpp"

#include <list>

q::Task<> test(q::Cx cx, std::list<int>& all) {
  co_await q::parallel::for_each(cx, all, [](int) {});
}
