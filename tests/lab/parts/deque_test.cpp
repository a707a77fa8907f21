// The deque: its owner at one end, thieves at the other.
#include "quiesce/detail/exec/deque.hpp"

#include <gtest/gtest.h>

#include <array>

#include "exploring.hpp"
#include "workers.hpp"

namespace quiesce::lab::parts {
namespace {

/// A deque of two slots, and what went in.
struct DequeCase {
  Deque deque;
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
      lab::check(items[i].state.read() == 2, "every item that was pushed is taken");
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

void push_pop(DequeCase& test) {
  test.push();
  test.pop();
}
void push_push_pop_pop(DequeCase& test) {
  test.push();
  test.push();
  test.pop();
  test.pop();
}
/// Pops one, so that a stale bottom shows an item that is gone, and lets the last be stolen.
void push_push_pop(DequeCase& test) {
  test.push();
  test.push();
  test.pop();
}
void fill_and_push(DequeCase& test) {
  test.push();
  test.push();
  test.push();
}
void take_older_half(DequeCase& test) {
  test.push();
  test.push();
  test.take_half();
  test.pop();
}

const char* const by_the_looks =
    "the success order is not needed: it follows seq_cst loads of top and bottom by the same thread, and "
    "whoever reads the new top by "
    "a seq_cst load comes after those in S by coherence alone. Kept: it costs nothing on a processor whose "
    "read-modify-writes are "
    "fenced anyway, and the proof in deque.hpp is shorter with it";
const char* const load_buffering =
    "what it excludes is a thief's read of a slot from a store that its own success allows: load buffering, "
    "which the lab does not "
    "show, but C++ allows";

Part deque() {
  return {.name = "deque",
          .files = {"deque.hpp"},
          .scenarios = {{"the last item, one thief", against(push_pop, {1})},
                        {"the last item, two thieves", against(push_pop, {1, 1})},
                        {"two items, two pops, a thief twice", against(push_push_pop_pop, {2})},
                        {"two items, one pop, two thieves", against(push_push_pop, {1, 1})},
                        {"around the ring", against(fill_and_push, {2})},
                        {"the older half", against(take_older_half, {1})},
                        {.name = "the older half, two thieves",
                         .body = against(take_older_half, {1, 1}),
                         .weak_exhausts = false,
                         .weak_runs = 2'000,
                         .judges_mutants = false},
                        {"a thief that sleeps", thief_of_deque()}},
          .kept = {
              {"empty: load 1, seq_cst -> relaxed", "an older top only lets the deque look less empty"},
              {"pop: compare_exchange, seq_cst -> relaxed", by_the_looks},
              {"take_half: compare_exchange, seq_cst -> relaxed", by_the_looks},
              {"steal: compare_exchange, seq_cst -> relaxed", by_the_looks},
              {"pop: store 2, release -> relaxed",
               "it says that the deque is empty: top has reached this value, and whoever reads it takes "
               "nothing by it"},
              {"push: load 2, acquire -> relaxed", load_buffering},
              {"take_half: load 1, acquire -> relaxed",
               "the items are the owner's own, and an older top only lets the compare-exchange fail"},
          }};
}

TEST(DequeInLab, NothingIsLostOrTakenTwice) { expect_holds(deque()); }
TEST(DequeInLab, EveryOrderIsNeeded) { expect_mutants_caught(deque()); }

}  // namespace
}  // namespace quiesce::lab::parts
