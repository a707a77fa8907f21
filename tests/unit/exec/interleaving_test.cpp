// One operation interrupted by others at each of its shared accesses in turn: on one thread, so every case is
// met in every run.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "quiesce/detail/exec/deque.hpp"

namespace quiesce::detail {
namespace {

/// Atomics that run an action before the access with a chosen number.
struct InterruptedPlatform {
  static inline int accesses_left = -1;
  static inline std::function<void()> action;

  static void interrupt_after(int accesses, std::function<void()> what) {
    accesses_left = accesses;
    action = std::move(what);
  }
  /// True when the action has run; otherwise it is forgotten.
  static bool interrupted() { return std::exchange(accesses_left, -1) < 0; }
  static void step() {
    if (accesses_left >= 0 && accesses_left-- == 0) std::exchange(action, nullptr)();
  }

  template <class T>
  struct atomic {
    atomic() = default;
    atomic(T initial) : value(initial) {}  // NOLINT(google-explicit-constructor): as std::atomic
    T load(std::memory_order = std::memory_order_seq_cst) const { return step(), value; }
    void store(T desired, std::memory_order = std::memory_order_seq_cst) { step(), value = desired; }
    bool compare_exchange_strong(T& expected, T desired, std::memory_order, std::memory_order) {
      step();
      if (value != expected) return expected = value, false;
      return value = desired, true;
    }
    T value{};
  };

  static void pause() {}
};

struct Item {
  int taken = 0;
};

/// A deque of four slots, and every item that ever went in.
struct DequeCase {
  WorkDeque<Item, InterruptedPlatform, 4> deque;
  std::array<Item, 32> items{};
  std::size_t pushed = 0;

  static void take(Item* item) {
    if (item != nullptr) ++item->taken;
  }
  /// u: push, o: pop, f: pop_fifo, h: take_half (all the owner's), s: steal.
  void perform(char operation) {
    switch (operation) {
      case 'u':
        if (deque.push(&items[pushed])) ++pushed;
        break;
      case 'o': take(deque.pop()); break;
      case 'f': take(deque.pop_fifo()); break;
      case 's': take(deque.steal()); break;
      default: {
        std::array<Item*, 2> half{};
        const std::uint32_t count = deque.take_half(half.data());
        for (std::uint32_t i = 0; i < count; ++i) take(half[i]);
      }
    }
  }
  void perform_all(const std::string& operations) {
    for (char operation : operations) perform(operation);
  }
  void expect_each_item_once() {
    while (Item* item = deque.pop()) take(item);
    for (std::size_t i = 0; i < pushed; ++i) EXPECT_EQ(items[i].taken, 1) << "item " << i;
  }
};

/// `outer`, with `inner` run before each of its accesses, one after another, from each of the given starts.
void interrupt_everywhere(char outer, const std::string& inner) {
  for (const std::string start : {"", "u", "uu", "uuu", "uuuu", "uuuss", "uususuo"}) {
    for (int access = 0;; ++access) {
      SCOPED_TRACE(start + ", " + outer + " interrupted by " + inner + " before access " +
                   std::to_string(access));
      DequeCase test;
      test.perform_all(start);
      InterruptedPlatform::interrupt_after(access, [&] { test.perform_all(inner); });
      test.perform(outer);
      const bool interrupted = InterruptedPlatform::interrupted();
      test.expect_each_item_once();
      if (!interrupted) break;
    }
  }
}

TEST(Interleaving, OwnerOfADequeInterruptedByThieves) {
  for (char outer : {'u', 'o', 'f', 'h'}) {
    for (const std::string inner : {"s", "ss", "sss", "ssss"}) interrupt_everywhere(outer, inner);
  }
}

// Includes thieves that slept while the owner went all around the ring.
TEST(Interleaving, ThiefOfADequeInterruptedByOwnerAndThieves) {
  for (const std::string inner : {"o", "oo", "ou", "u", "h", "hu", "f", "s", "so", "ssu", "ouo", "fufu",
                                  "ffffuuuu", "oooouuuu", "fufufufufu", "hhuuu"}) {
    interrupt_everywhere('s', inner);
  }
}

}  // namespace
}  // namespace quiesce::detail
