// expect: quiesce: a channel carries objects: no references, no void, nothing const, no C arrays
#include "library.hpp"

#include <quiesce/channel/mpmc.hpp>

void test() { (void)q::mpmc::channel<const int>(1); }
