// Queues that an owner uses at one end and thieves at the other.
#include <array>

#include "../bugs.hpp"

namespace quiesce::lab::corpus {
namespace {

constexpr int capacity = 2;

/// Who has got which item.
class Items {
 public:
  Items() {
    lab::name(takers_[0], "takers of item 0");
    lab::name(takers_[1], "takers of item 1");
  }
  void took(int item) {
    lab::check(takers_[static_cast<std::size_t>(item)].fetch_add(1) == 0, "an item was taken twice");
  }

 private:
  std::array<lab::atomic<int>, capacity> takers_;
};

/// Chase, Lev: Dynamic circular work-stealing deque, SPAA 2005. An item is its own index, so there is no buffer. The owner that
/// takes the last item has to win it against the thieves.
template <bool Fixed>
class ChaseLev {
 public:
  void push() { bottom_.store(bottom_.load() + 1); }
  int take() {
    const int bottom = bottom_.load() - 1;
    bottom_.store(bottom);
    int top = top_.load();
    if (top > bottom) {
      bottom_.store(top);
      return -1;
    }
    if (top < bottom) return bottom;
    bool won = true;
    if constexpr (Fixed) {
      won = top_.compare_exchange_strong(top, top + 1);
    } else {
      top_.store(top + 1);
    }
    bottom_.store(bottom + 1);
    return won ? bottom : -1;
  }
  int steal() {
    int top = top_.load();
    if (top >= bottom_.load()) return -1;
    return top_.compare_exchange_strong(top, top + 1) ? top : -1;
  }

 private:
  lab::atomic<int> top_{0, "top"};
  lab::atomic<int> bottom_{0, "bottom"};
};

/// The queue of Frigo, Leiserson, Randall: The implementation of the Cilk-5 multithreaded language, PLDI 1998: both ends say what
/// they want to take and then look whether the other wants it, too; who is in doubt locks. A thief that looks first is wrong.
template <bool Fixed>
class TheQueue {
 public:
  void push() { tail_.fetch_add(1); }
  int take() {
    const int last = tail_.fetch_sub(1) - 1;
    if (head_.load() <= last) return last;
    tail_.fetch_add(1);
    std::lock_guard lock(m_);
    tail_.fetch_sub(1);
    if (head_.load() <= last) return last;
    tail_.fetch_add(1);
    return -1;
  }
  int steal() {
    std::lock_guard lock(m_);
    if constexpr (Fixed) {
      const int first = head_.fetch_add(1);
      if (first + 1 <= tail_.load()) return first;
      head_.fetch_sub(1);
      return -1;
    } else {
      const int first = head_.load();
      if (first + 1 > tail_.load()) return -1;
      head_.store(first + 1);
      return first;
    }
  }

 private:
  lab::mutex m_{"m"};
  lab::atomic<int> head_{0, "head"};
  lab::atomic<int> tail_{0, "tail"};
};

template <class Queue>
void owner_and_thief() {
  Queue queue;
  Items items;
  for (int i = 0; i < capacity; ++i) queue.push();
  lab::thread thief = start_thread("thief", [&] {
    if (const int item = queue.steal(); item >= 0) items.took(item);
  });
  for (int i = 0; i < capacity; ++i) {
    if (const int item = queue.take(); item >= 0) items.took(item);
  }
  thief.join();
}

}  // namespace

Bug chase_lev() {
  return {.name = "Chase-Lev deque",
          .wrong = "the owner takes the last item without winning it against a thief",
          .message = {"an item was taken twice"},
          .buggy = owner_and_thief<ChaseLev<false>>,
          .fixed = owner_and_thief<ChaseLev<true>>,
          .within = {.pct = 5'000},
          .depth = 3};
}

Bug the_queue() {
  return {.name = "THE queue",
          .wrong = "a thief looks whether there is an item before it says that it takes one",
          .message = {"an item was taken twice"},
          .buggy = owner_and_thief<TheQueue<false>>,
          .fixed = owner_and_thief<TheQueue<true>>};
}

}  // namespace quiesce::lab::corpus
