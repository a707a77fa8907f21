// expect: quiesce: broadcast::channel<T>: every receiver gets a copy, so T must be copyable
#include "library.hpp"

#include <quiesce/channel/broadcast.hpp>

#include <memory>

void test() { auto both = q::broadcast::channel<std::unique_ptr<int>>(4); }
