// expect: quiesce: a channel's messages must be nothrow move constructible
#include "library.hpp"

#include <quiesce/channel/mpsc.hpp>

struct Fragile {
  Fragile() = default;
  Fragile(Fragile&&) noexcept(false) {}
};

void test() { (void)q::mpsc::channel<Fragile>(1); }
