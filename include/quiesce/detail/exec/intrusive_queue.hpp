#pragma once
// A FIFO of objects that are linked through a member of their own: no allocation, every operation O(1), one
// thread at a time.
//
//   IntrusiveQueue<Task, &Task::queue_next> queue;
//   queue.push_back(task);
//   while (Task* next = queue.pop_front()) …
//
// An object is in at most one queue at a time; its link is nullptr while it is in none, and nullptr for the
// last one too, so a null link does not tell whether it is queued. The queue never owns or destroys what is in
// it.
#include <cstddef>
#include <utility>

namespace quiesce::detail {

template <class T, auto Next>
class IntrusiveQueue {
 public:
  IntrusiveQueue() noexcept = default;
  IntrusiveQueue(IntrusiveQueue&& other) noexcept
      : head_(std::exchange(other.head_, nullptr)),
        tail_(std::exchange(other.tail_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  /// What was in this queue before is dropped from it (not destroyed).
  IntrusiveQueue& operator=(IntrusiveQueue&& other) noexcept {
    head_ = std::exchange(other.head_, nullptr);
    tail_ = std::exchange(other.tail_, nullptr);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] T* front() const noexcept { return head_; }

  void push_back(T* item) noexcept {
    item->*Next = nullptr;
    if (tail_ == nullptr) {
      head_ = item;
    } else {
      tail_->*Next = item;
    }
    tail_ = item;
    ++size_;
  }

  void push_front(T* item) noexcept {
    item->*Next = head_;
    if (head_ == nullptr) tail_ = item;
    head_ = item;
    ++size_;
  }

  /// nullptr when empty.
  [[nodiscard]] T* pop_front() noexcept {
    T* item = head_;
    if (item == nullptr) return nullptr;
    head_ = static_cast<T*>(item->*Next);
    if (head_ == nullptr) tail_ = nullptr;
    item->*Next = nullptr;
    --size_;
    return item;
  }

  /// Moves all of `other` behind what is here, in its order.
  void splice_back(IntrusiveQueue&& other) noexcept {
    if (other.empty()) return;
    if (tail_ == nullptr) {
      head_ = other.head_;
    } else {
      tail_->*Next = other.head_;
    }
    tail_ = std::exchange(other.tail_, nullptr);
    size_ += std::exchange(other.size_, 0);
    other.head_ = nullptr;
  }

  /// Takes the first `count` (or all, when there are fewer) off as a queue of their own. O(count).
  [[nodiscard]] IntrusiveQueue split_front(std::size_t count) noexcept {
    if (count >= size_) return std::move(*this);
    IntrusiveQueue out;
    if (count == 0) return out;
    T* last = head_;
    for (std::size_t step = 1; step < count; ++step) last = static_cast<T*>(last->*Next);
    out.head_ = head_;
    out.tail_ = last;
    out.size_ = count;
    head_ = static_cast<T*>(last->*Next);
    size_ -= count;
    last->*Next = nullptr;
    return out;
  }

 private:
  T* head_ = nullptr;
  T* tail_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace quiesce::detail
