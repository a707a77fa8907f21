// expect: quiesce: from_callback<T>: T comes from another thread, so it must be Sendable
#include "library.hpp"

#include <quiesce/callback.hpp>

void test(q::Cx cx) {
  (void)q::from_callback<int*>(cx, [](q::Completion<int*>) {});
}
