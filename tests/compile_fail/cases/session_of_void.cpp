// expect: quiesce: session::channel<Req, Rep>: both must be object types that can be moved
#include "library.hpp"

#include <quiesce/channel/session.hpp>

void test() { auto both = q::session::channel<int, void>(4); }
