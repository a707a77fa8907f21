#pragma once
// The timed lane: runnable tasks by earliest deadline first, ties by logical id (rule H1).
//
//   TimedHeap<Task, TimedKeyOf> lane;      // struct TimedKeyOf { TimedKey operator()(const Task&) const; };
//   lane.push(task);
//   Task* next = lane.pop();
//
// One thread at a time. The heap holds pointers and owns nothing; the key is read once, at push, and kept
// beside the pointer, so sifting does not touch the tasks. push and pop O(log n); push allocates only when the
// heap is larger than ever before.
#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace quiesce::detail {

struct TimedKey {
  std::int64_t deadline_ns = 0;
  std::uint64_t logical_id = 0;
  friend constexpr auto operator<=>(const TimedKey&, const TimedKey&) noexcept = default;
};

template <class T, class KeyOf>
class TimedHeap {
 public:
  explicit TimedHeap(KeyOf key_of = {}) : key_of_(std::move(key_of)) {}

  [[nodiscard]] bool empty() const noexcept { return nodes_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
  void reserve(std::size_t count) { nodes_.reserve(count); }

  /// Throws std::bad_alloc and changes nothing when there is no memory to grow.
  void push(T* item) {
    nodes_.push_back({key_of_(std::as_const(*item)), item});
    std::push_heap(nodes_.begin(), nodes_.end(), later);
  }

  /// The earliest, or nullptr; it stays.
  [[nodiscard]] T* top() const noexcept { return nodes_.empty() ? nullptr : nodes_.front().item; }

  /// The earliest, or nullptr.
  [[nodiscard]] T* pop() noexcept {
    if (nodes_.empty()) return nullptr;
    std::pop_heap(nodes_.begin(), nodes_.end(), later);
    T* item = nodes_.back().item;
    nodes_.pop_back();
    return item;
  }

 private:
  struct Node {
    TimedKey key;
    T* item;
  };

  /// The standard heap keeps the greatest on top: here that is whoever comes earliest.
  static bool later(const Node& a, const Node& b) noexcept { return a.key > b.key; }

  std::vector<Node> nodes_;
  [[no_unique_address]] KeyOf key_of_;
};

}  // namespace quiesce::detail
