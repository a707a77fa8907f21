// expect: quiesce: this range is a temporary
#include <quiesce/parallel/for_each.hpp>
#include "library.hpp"

#include <vector>

std::vector<int> made();

q::Task<> test(q::Cx cx) {
  co_await q::parallel::for_each(cx, made(), [](int) {});
}
