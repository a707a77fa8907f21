// expect: quiesce: bracket: `release` must be callable as Task<>(quiesce::Cx, R&)
#include "library.hpp"

#include <quiesce/combinators/bracket.hpp>

q::Task<int> acquire(q::Cx);
q::Task<> use(q::Cx, int&);
q::Task<> release(q::Cx);

void test(q::Cx cx) { (void)q::bracket(cx, acquire, use, release); }
