// expect: quiesce: pulling a Stream needs this coroutine's E to be constructible from the stream's E
#include "library.hpp"

#include <quiesce/stream.hpp>

struct Mine {
  explicit Mine(q::Error) {}
};
q::Stream<int, Mine> numbers();

q::Task<> test(q::Cx cx) {
  auto stream = numbers();
  auto value = co_await stream.next(cx);
}
