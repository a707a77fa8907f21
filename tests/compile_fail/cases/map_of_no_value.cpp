// expect: quiesce: map_concurrent needs a function that gives a value; use for_each_concurrent
#include "library.hpp"

#include <quiesce/combinators/concurrent.hpp>

#include <vector>

q::Task<> work(q::Cx, int);

void test(q::Cx cx, std::vector<int>& items) { (void)q::map_concurrent(cx, items, 2, work); }
