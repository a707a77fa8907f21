// expect: quiesce: next of a temporary stream gives one value and drops the rest: name the stream
#include "library.hpp"

#include <quiesce/stream.hpp>

q::Stream<int> numbers();

q::Task<> test(q::Cx cx) { auto value = co_await numbers().next(cx); }
