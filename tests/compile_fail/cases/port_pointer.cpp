// expect-regex: quiesce: .*pointer
#include "library.hpp"

#include <quiesce/thread_port.hpp>

q::Task<> work(q::Cx, int*);

void test(q::ThreadPort& port, int* number) { (void)port.spawn(work, number); }
