// expect: quiesce: from_callback: what `start` returns is the cancel function
#include "library.hpp"

#include <quiesce/callback.hpp>

void test(q::Cx cx) {
  (void)q::from_callback<int>(cx, [](q::Completion<int>) { return [] {}; });
}
