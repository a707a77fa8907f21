// expect: quiesce: this context lacks the capability Time (cap::Time), which a timeout needs
#include "library.hpp"

#include <quiesce/timeout.hpp>

void test(q::BasicCx<q::cap::None> cx, q::TaskHandle<int>& handle) {
  (void)q::timeout(cx, q::Duration{}, handle.join(cx));
}
