// expect: quiesce: JoinSet<T, E>: the function must return Task<T, E>, with the T and E of the set
#include "library.hpp"

#include <quiesce/combinators/join_set.hpp>

q::Task<int> work(q::Cx);

void test(q::Cx cx, q::JoinSet<long>& set) { (void)set.spawn(cx, work); }
