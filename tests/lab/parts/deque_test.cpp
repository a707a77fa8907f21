// The deque: its owner at one end, thieves at the other.
#include "quiesce/detail/exec/deque.hpp"

#include <gtest/gtest.h>

#include <array>

#include "exploring.hpp"
#include "quiesce/lab/check.hpp"
#include "quiesce/lab/shared.hpp"

namespace quiesce::lab::parts {
namespace {

struct Item {
  lab::shared<int> payload{0};  // 1: pushed, 2: taken

  void fill() { payload.write(1); }
  void take() {
    payload.update([](int& state) {
      lab::check(state == 1, "an item is taken once, with what it was pushed with");
      state = 2;
    });
  }
};

/// A deque of two slots, and what went in.
struct DequeCase {
  quiesce::detail::WorkDeque<Item, LabPlatform, 2> deque;
  std::array<Item, 4> items;
  std::size_t pushed = 0;

  bool push() {
    items[pushed].fill();
    const bool is_in = deque.push(&items[pushed]);
    if (is_in) ++pushed;
    return is_in;
  }
  bool take(Item* item) {
    if (item != nullptr) item->take();
    return item != nullptr;
  }
  bool pop() { return take(deque.pop()); }
  bool pop_fifo() { return take(deque.pop_fifo()); }
  bool steal() { return take(deque.steal()); }
  bool take_half() {
    std::array<Item*, 1> half{};
    const std::uint32_t count = deque.take_half(half.data());
    if (count > 0) take(half[0]);
    return count > 0;
  }
  void expect_all_taken() {
    while (pop()) continue;
    lab::check(deque.empty(), "nothing is left behind");
    for (std::size_t i = 0; i < pushed; ++i)
      lab::check(items[i].payload.read() == 2, "every item that was pushed is taken");
  }
};

using Owner = void (*)(DequeCase&);

/// The owner does as it is told, each thief steals so many times.
std::function<void()> against(Owner owner, std::vector<int> thieves) {
  return [=] {
    DequeCase test;
    std::vector<std::function<void()>> bodies{[&] { owner(test); }};
    for (const int times : thieves) {
      bodies.push_back([&test, times] {
        for (int i = 0; i < times; ++i) test.steal();
      });
    }
    run_threads(bodies);
    test.expect_all_taken();
  };
}

Part deque() {
  return {.name = "deque",
          .files = {"deque.hpp"},
          .scenarios = {{"the last item, one thief", against(
                                                         [](DequeCase& test) {
                                                           test.push();
                                                           test.pop();
                                                         },
                                                         {1})},
                        {"the last item, two thieves", against(
                                                           [](DequeCase& test) {
                                                             test.push();
                                                             test.pop();
                                                           },
                                                           {1, 1})},
                        {"two items, two pops, a thief twice", against(
                                                                   [](DequeCase& test) {
                                                                     test.push();
                                                                     test.push();
                                                                     test.pop();
                                                                     test.pop();
                                                                   },
                                                                   {2})},
                        {"around the ring", against(
                                                [](DequeCase& test) {
                                                  test.push();
                                                  test.push();
                                                  test.push();
                                                },
                                                {2})},
                        {"the older half", against(
                                               [](DequeCase& test) {
                                                 test.push();
                                                 test.push();
                                                 test.take_half();
                                               },
                                               {1})}}};
}

TEST(DequeInLab, NothingIsLostOrTakenTwice) { expect_holds(deque()); }
TEST(DequeInLab, EveryOrderIsNeeded) { expect_mutants_caught(deque()); }

}  // namespace
}  // namespace quiesce::lab::parts
