// expect: quiesce: watch: send_modify changes a copy of the value, so T must be copyable
#include "library.hpp"

#include <quiesce/channel/watch.hpp>

#include <memory>

void test() {
  auto [tx, rx] = q::watch::channel(std::make_unique<int>(1));
  tx.send_modify([](std::unique_ptr<int>&) {});
}
