// expect: quiesce: this function must be a plain function or a captureless lambda
#include "library.hpp"

#include <quiesce/combinators/concurrent.hpp>

#include <vector>

void test(q::Cx cx, std::vector<int>& items) {
  int sum = 0;
  auto add = [&sum](q::Cx, int item) -> q::Task<> {
    sum += item;
    co_return;
  };
  (void)q::for_each_concurrent(cx, items, 2, add);
}
