#pragma once
// A bounded queue of nodes that belong to whoever made them: what `session` and `merge` pass values through.
//
//  1. A node is linked and unlinked under the lock; what is in it – the user's value – is made before it is pushed and looked at after
//     it was popped. So no code of the user runs under the lock, and a push or pop is some pointers.
//  2. A waiting sender's node is linked, a waiting receiver's is chosen, by the grant (sync/primitive.hpp): the operation is written
//     before the claim, the list changed after it was won, without a look at a node that a receiver has by then and may have freed.
//  3. When the last sender has gone the rest is still received. When the receivers go, what is queued is handed to whoever closes, who
//     drops it without the lock, and senders are told that nothing was sent.
// First come, first served on either side.
#include <cstdint>

#include "quiesce/detail/sync/primitive.hpp"

namespace quiesce::detail {

struct QueueNode {
  QueueNode* next = nullptr;  // the queue's, while it is in there
};

class NodeQueue;

class PushOperation {
 public:
  PushOperation(NodeQueue& queue, QueueNode& node) noexcept : queue_(&queue), node_(&node) {}
  bool try_now() noexcept;
  void enlist(WaitNode& node) noexcept;
  bool delist(WaitNode& node) noexcept;
  void give_back() noexcept {}  // what was sent is sent
  WaitSubject subject() const noexcept;
  PushOperation& found() noexcept { return *this; }
  /// It is the queue's now; else it is still the caller's.
  bool was_sent() const noexcept { return sent_; }

 private:
  friend NodeQueue;
  NodeQueue* queue_;
  QueueNode* node_;
  bool sent_ = false;
};

class PopOperation {
 public:
  explicit PopOperation(NodeQueue& queue) noexcept : queue_(&queue) {}
  bool try_now() noexcept;
  void enlist(WaitNode& node) noexcept;
  bool delist(WaitNode& node) noexcept;
  /// The node that nobody receives any more, if that is so: the caller's.
  QueueNode* give_back() noexcept;
  WaitSubject subject() const noexcept;
  PopOperation& found() noexcept { return *this; }
  /// After it took effect; nullptr: all was received, and no sender is left.
  QueueNode* node() const noexcept { return node_; }

 private:
  friend NodeQueue;
  NodeQueue* queue_;
  QueueNode* node_ = nullptr;
};

struct NodeQueueStatistics {
  std::uint32_t queued = 0;
  std::uint32_t waiting_senders = 0;
  std::uint32_t waiting_receivers = 0;
  std::uint64_t waited = 0;
};

class NodeQueue {
 public:
  NodeQueue(PrimitiveKind kind, Name name, std::uint32_t capacity, std::uint32_t senders = 1) noexcept
      : primitive_(kind, name), capacity_(capacity == 0 ? 1 : capacity), senders_left_(senders) {}

  void add_sender() noexcept;
  /// One fewer; after the last nothing is sent any more.
  void drop_sender() noexcept;
  /// Nothing is received any more: what was queued, linked by `next`.
  [[nodiscard]] QueueNode* close_receivers() noexcept;
  /// Without waiting for room: for what ends a sender, at most one each. False: nobody receives, and it is still the caller's.
  bool push_last(QueueNode& node) noexcept;
  /// Back to the front: it was not taken after all. False: nobody receives any more, and it is the caller's.
  bool put_back(QueueNode& node) noexcept;
  /// True: it was still queued, and is the caller's again. Looks through the queue.
  bool remove(QueueNode& node) noexcept;
  NodeQueueStatistics statistics() const noexcept;
  const Primitive& primitive() const noexcept { return primitive_; }

 private:
  friend PushOperation;
  friend PopOperation;
  // Under the lock.
  void link(QueueNode& node) noexcept;
  QueueNode* unlink() noexcept;
  bool can_push() const noexcept { return receivers_gone_ || queued_ < capacity_; }
  bool can_pop() const noexcept { return head_ != nullptr || senders_left_ == 0 || receivers_gone_; }
  void serve_receivers(WakeList& woken) noexcept;
  bool serve_senders(WakeList& woken) noexcept;
  void pump(WakeList& woken) noexcept {
    do serve_receivers(woken);
    while (serve_senders(woken));
  }
  void enlist(WaitList& list, std::uint32_t& count, WaitNode& node) noexcept;
  bool delist(WaitList& list, std::uint32_t& count, WaitNode& node) noexcept;

  Primitive primitive_;
  WaitList senders_, receivers_;
  QueueNode* head_ = nullptr;
  QueueNode* tail_ = nullptr;
  std::uint32_t capacity_;
  std::uint32_t queued_ = 0;
  std::uint32_t waiting_senders_ = 0, waiting_receivers_ = 0;
  std::uint32_t senders_left_;
  bool receivers_gone_ = false;
};

}  // namespace quiesce::detail
