// expect: quiesce: an operation without a context is for select only: co_await rx.recv(cx)
#include "library.hpp"

#include <quiesce/channel/mpsc.hpp>

q::Task<> test(q::Cx) {
  auto [tx, rx] = q::mpsc::channel<int>(1);
  (void)co_await rx.recv();
}
