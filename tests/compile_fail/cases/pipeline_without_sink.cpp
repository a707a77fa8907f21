// expect: quiesce: pipeline(cx, source, stages..., sink): the last argument is the sink
#include "library.hpp"

#include <quiesce/combinators/pipeline.hpp>

#include <vector>

q::Task<int> work(q::Cx, int);

void test(q::Cx cx, std::vector<int>& items) { (void)q::pipeline(cx, items, q::stage(1, work)); }
