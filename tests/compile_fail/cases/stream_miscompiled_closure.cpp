// expect: quiesce: g++ 12 miscompiles a temporary lambda
// when: defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#include "library.hpp"

#include <quiesce/stream.hpp>

q::Stream<int> numbers();

q::Task<> test(q::Cx cx, std::string text) {
  co_await numbers().for_each(cx, [text](int) {});
}
