// Lock-free structures: Treiber's stack, a sequence lock, a ring for one producer and one consumer.
#include <array>

#include "../bugs.hpp"

namespace quiesce::lab::corpus {
namespace {

constexpr int nothing = -1;

/// Treiber, Systems programming: coping with parallelism, IBM 1986. Nodes are indices and are used again. The head has a version
/// in its upper half, which counts only where `Versioned`.
template <bool Versioned>
class Stack {
 public:
  static constexpr int nodes = 2;

  Stack() {
    lab::name(next_[0], "next of node 0");
    lab::name(next_[1], "next of node 1");
  }
  void push(int node) {
    std::int64_t head = head_.load();
    do next_[index(node)].store(node_of(head));
    while (!head_.compare_exchange_strong(head, changed(head, node)));
  }
  int pop() {
    std::int64_t head = head_.load();
    while (node_of(head) != nothing) {
      const int below = next_[index(node_of(head))].load();
      if (head_.compare_exchange_strong(head, changed(head, below))) return node_of(head);
    }
    return nothing;
  }

 private:
  static constexpr std::int64_t version_step = 256;
  static std::size_t index(int node) { return static_cast<std::size_t>(node); }
  static int node_of(std::int64_t head) { return static_cast<int>(head % version_step) - 1; }
  static std::int64_t changed(std::int64_t head, int node) {
    const std::int64_t version = Versioned ? head / version_step + 1 : 0;
    return version * version_step + node + 1;
  }

  lab::atomic<std::int64_t> head_{0, "head"};
  std::array<lab::atomic<int>, nodes> next_;
};

/// One pops; the other takes both nodes and puts the upper one back. When the first goes on, it finds its head, with another next.
template <bool Fixed>
void pop_and_reuse() {
  Stack<Fixed> stack;
  stack.push(1);
  stack.push(0);
  std::array<lab::atomic<int>, 2> owners;
  const auto own = [&](int node) {
    if (node == nothing) return;
    lab::check(owners[static_cast<std::size_t>(node)].fetch_add(1) == 0, "a node has two owners");
  };
  lab::thread popper = start_thread("popper", [&] { own(stack.pop()); });
  lab::thread reuser = start_thread("reuser", [&] {
    const int upper = stack.pop();
    own(stack.pop());
    if (upper != nothing) stack.push(upper);
  });
  popper.join();
  reuser.join();
  for (int node = stack.pop(); node != nothing; node = stack.pop()) own(node);
}

/// A push that stores the head it has computed, without a look whether it is still what it was computed from.
template <bool Fixed>
void push_twice() {
  std::array<lab::atomic<int>, 2> next;
  lab::atomic<int> head{nothing, "head"};
  const auto push = [&](int node) {
    int seen = head.load();
    next[static_cast<std::size_t>(node)].store(seen);
    if constexpr (Fixed) {
      while (!head.compare_exchange_strong(seen, node)) next[static_cast<std::size_t>(node)].store(seen);
    } else {
      head.store(node);
    }
  };
  lab::thread a = start_thread("a", [&] { push(0); });
  lab::thread b = start_thread("b", [&] { push(1); });
  a.join();
  b.join();
  int length = 0;
  for (int node = head.load(); node != nothing; node = next[static_cast<std::size_t>(node)].load()) ++length;
  lab::check(length == 2, "a node that was pushed is not in the list");
}

/// A sequence lock whose reader only asks whether the sequence is still the same, not whether somebody writes.
template <bool Fixed>
void read_a_pair() {
  lab::atomic<int> sequence{0, "sequence"};
  lab::atomic<int> low{0, "low"};
  lab::atomic<int> high{0, "high"};
  lab::thread writer = start_thread("writer", [&] {
    sequence.fetch_add(1);
    low.store(1);
    high.store(1);
    sequence.fetch_add(1);
  });
  lab::thread reader = start_thread("reader", [&] {
    const int before = sequence.load();
    if (Fixed && before % 2 != 0) return;
    const int first = low.load();
    const int second = high.load();
    if (sequence.load() != before) return;
    lab::check(first == second, "a torn pair is read");
  });
  writer.join();
  reader.join();
}

/// The consumer says that a slot is free, and then reads it.
template <bool Fixed>
void use_ring() {
  constexpr int items = 2;
  lab::shared<int> slot{0, "slot"};  // the ring has one
  lab::atomic<int> head{0, "head"};  // read so far
  lab::atomic<int> tail{0, "tail"};  // written so far
  lab::thread producer = start_thread("producer", [&] {
    for (int i = 0; i < items; ++i) {
      if (i > 0) head.wait(i - 1);
      slot.write(i);
      tail.store(i + 1);
      tail.notify_one();
    }
  });
  lab::thread consumer = start_thread("consumer", [&] {
    for (int i = 0; i < items; ++i) {
      tail.wait(i);
      int item = 0;
      if constexpr (Fixed) item = slot.read();
      head.store(i + 1);
      head.notify_one();
      if constexpr (!Fixed) item = slot.read();
      lab::check(item == i, "an item was overwritten before it was read");
    }
  });
  producer.join();
  consumer.join();
}

}  // namespace

Bug aba() {
  return {.name = "ABA in Treiber's stack",
          .wrong = "the head is the node that it was, but what is below it is not",
          .message = {"a node has two owners"},
          .buggy = pop_and_reuse<false>,
          .fixed = pop_and_reuse<true>,
          .within = {.random = 5'000}};
}

Bug lost_push() {
  return {.name = "lost push",
          .wrong = "the head of a list is stored where it should be exchanged",
          .message = {"a node that was pushed is not in the list"},
          .buggy = push_twice<false>,
          .fixed = push_twice<true>};
}

Bug sequence_lock() {
  return {.name = "sequence lock",
          .wrong = "the reader does not ask whether the sequence is odd, that is, a write under way",
          .message = {"a torn pair is read"},
          .buggy = read_a_pair<false>,
          .fixed = read_a_pair<true>,
          .depth = 3};
}

Bug ring() {
  return {.name = "ring buffer",
          .wrong = "the consumer frees a slot before it has read it",
          .kind = FailureKind::data_race,
          .message = {"slot", "producer", "consumer"},
          .buggy = use_ring<false>,
          .fixed = use_ring<true>};
}

}  // namespace quiesce::lab::corpus
