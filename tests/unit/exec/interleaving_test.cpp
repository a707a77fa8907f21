// One operation interrupted by others at each of its shared accesses in turn: on one thread, so every case is
// met in every run.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "quiesce/detail/exec/deque.hpp"
#include "quiesce/detail/exec/event_count.hpp"

namespace quiesce::detail {
namespace {

/// Atomics that run an action before the access with a chosen number.
struct InterruptedPlatform {
  static inline int accesses_left = -1;
  static inline std::function<void()> action;
  static inline std::function<void(bool would_sleep)> on_wait;

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
    T exchange(T desired, std::memory_order = std::memory_order_seq_cst) {
      return step(), std::exchange(value, desired);
    }
    T fetch_add(T by, std::memory_order = std::memory_order_seq_cst) {
      return step(), std::exchange(value, value + by);
    }
    T fetch_sub(T by, std::memory_order = std::memory_order_seq_cst) {
      return step(), std::exchange(value, value - by);
    }
    bool compare_exchange_strong(T& expected, T desired, std::memory_order, std::memory_order) {
      step();
      if (value != expected) return expected = value, false;
      return value = desired, true;
    }
    bool compare_exchange_weak(T& expected, T desired, std::memory_order success, std::memory_order failure) {
      return compare_exchange_strong(expected, desired, success, failure);
    }
    T value{};
  };

  static bool wait(atomic<std::uint32_t>& word, std::uint32_t expected,
                   std::optional<std::int64_t> = std::nullopt) {
    const bool would_sleep = word.load() == expected;
    if (on_wait) on_wait(would_sleep);
    return !would_sleep;  // who would sleep has passed its deadline at once
  }
  static void wake_one(atomic<std::uint32_t>&) {}
  static void wake_all(atomic<std::uint32_t>&) {}
  static void pause() {}
  /// Nobody else runs while an operation waits: waiting for long is a hang.
  static void back_off(std::uint32_t attempt) {
    if (attempt > 16) throw std::logic_error("an operation waits for what will never come");
  }
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

/// A waiter that is interrupted by a publication with its notification.
class EventCase {
 public:
  explicit EventCase(int access) {
    InterruptedPlatform::on_wait = [this](bool would_sleep) {
      slept_beside_it = slept_beside_it || (would_sleep && published_.value);
    };
    InterruptedPlatform::interrupt_after(access, [this] {
      published_.value = true;
      claimed = events_.notify_one();
    });
  }
  ~EventCase() { InterruptedPlatform::on_wait = nullptr; }

  /// False when it ran through before the chosen access.
  bool run() {
    auto key = events_.prepare_wait();
    saw_it = published_.load();
    notified = saw_it ? events_.cancel_wait(key) : events_.commit_wait(key, 1);
    return InterruptedPlatform::interrupted();
  }
  bool is_balanced() {
    if (events_.waiters() != 0) return false;
    return !events_.commit_wait(events_.prepare_wait(), 1);
  }

  bool saw_it = false, notified = false, claimed = false, slept_beside_it = false;

 private:
  EventCount<InterruptedPlatform> events_;
  InterruptedPlatform::atomic<bool> published_{false};
};

TEST(Interleaving, WaiterOfAnEventCountInterruptedByANotification) {
  int notified = 0, seen = 0, access = 0;
  for (;; ++access) {
    SCOPED_TRACE("access " + std::to_string(access));
    EventCase test(access);
    if (!test.run()) break;
    EXPECT_EQ(test.notified, test.claimed);
    EXPECT_FALSE(test.slept_beside_it) << "a lost wake-up";
    notified += test.notified ? 1 : 0;
    seen += test.saw_it ? 1 : 0;
    InterruptedPlatform::on_wait = nullptr;
    EXPECT_TRUE(test.is_balanced());
  }
  EXPECT_GT(access, 5);
  EXPECT_GT(notified, 0);
  EXPECT_GT(seen, 0);
}

// A waiter that has been notified cancels, while another prepares and consumes the signal that was under way to
// the first one.
TEST(Interleaving, LeaverOfAnEventCountInterruptedByAnotherWaiter) {
  for (int access = 0;; ++access) {
    SCOPED_TRACE("access " + std::to_string(access));
    EventCount<InterruptedPlatform> events;
    auto key = events.prepare_wait();
    ASSERT_TRUE(events.notify_one());
    bool other_notified = false;
    InterruptedPlatform::interrupt_after(
        access, [&] { other_notified = events.commit_wait(events.prepare_wait(), 1); });
    const bool notified = events.cancel_wait(key);
    if (!InterruptedPlatform::interrupted()) break;
    EXPECT_NE(notified, other_notified);
    EXPECT_EQ(events.waiters(), 0u);
    EXPECT_FALSE(events.commit_wait(events.prepare_wait(), 1)) << "no signal is left over";
  }
}

}  // namespace
}  // namespace quiesce::detail
