// Two mutexes, taken in one order here and in the other there: the deadlock that Lu et al. found most often.
#include "../bugs.hpp"

namespace quiesce::lab::corpus {
namespace {

template <bool Fixed>
void transfers() {
  lab::mutex a("account a");
  lab::mutex b("account b");
  lab::shared<int> in_a{100, "balance a"};
  lab::shared<int> in_b{100, "balance b"};
  lab::thread there = start_thread("there", [&] {
    std::lock_guard from(a);
    std::lock_guard to(b);
    in_a.update([](int& money) { money -= 10; });
    in_b.update([](int& money) { money += 10; });
  });
  lab::thread back = start_thread("back", [&] {
    std::lock_guard first(Fixed ? a : b);
    std::lock_guard second(Fixed ? b : a);
    in_b.update([](int& money) { money -= 20; });
    in_a.update([](int& money) { money += 20; });
  });
  there.join();
  back.join();
  lab::check(in_a.read() + in_b.read() == 200, "money was made or lost");
}

}  // namespace

Bug lock_order() {
  return {.name = "lock order",
          .wrong = "two transfers lock the two accounts in opposite orders",
          .kind = FailureKind::deadlock,
          .message = {"in a cycle", "there holds mutex account a and waits to lock mutex account b",
                      "back holds mutex account b and waits to lock mutex account a"},
          .buggy = transfers<false>,
          .fixed = transfers<true>};
}

}  // namespace quiesce::lab::corpus
