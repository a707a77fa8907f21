// expect: quiesce: the next value of a Stream is no branch of select
#include "library.hpp"

#include <quiesce/select.hpp>
#include <quiesce/stream.hpp>

void test(q::Cx cx, q::Stream<int>& stream) { (void)q::select(cx, stream.next(cx), cx.sleep(q::Duration{1})); }
