// expect: quiesce: this argument is an object of a type that opted out (quiesce::enable_sendable<T> is false)
// also: Stream<int
#include "library.hpp"

#include <quiesce/stream.hpp>

q::Task<> work(q::Cx, q::Stream<int>);

void test(q::Cx cx, q::Scope<>& scope, q::Stream<int> stream) {
  (void)scope.spawn(cx, work, std::move(stream));
}
