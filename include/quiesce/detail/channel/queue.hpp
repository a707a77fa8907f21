#pragma once
// The queue behind mpsc, mpmc and oneshot: a ring in the channel's one allocation, or blocks that come and go.
//
//  1. Bounded: length_ + reserved_ <= capacity_. A sender is granted a place by counting it as reserved; it puts its message in when it
//     wakes, or by its permit. The order of messages is that in which they are put in.
//  2. A receiver is granted a message by counting it as promised: promised_ <= length_. It takes the first one when it wakes; who
//     comes meanwhile finds length_ - promised_.
//  3. The end is told when nothing lies there, nothing is reserved, and nobody can reserve: a promised message that comes back is
//     not lost to those who wait.
//  4. Blocks are made before the lock is taken and freed after it. One that has been emptied is kept for later.
#include <cstddef>
#include <cstdint>

#include "quiesce/detail/channel/core.hpp"

namespace quiesce::detail {

class QueueCore : public ChannelCore {
 public:
  /// One allocation: this, and the ring. Throws UsageError for a capacity of 0, std::bad_alloc.
  static QueueCore* make(const ChannelOps& ops, PrimitiveKind kind, Name name, std::uint32_t capacity);
  static QueueCore* make_unbounded(const ChannelOps& ops, PrimitiveKind kind, Name name);

  // For senders. `message` is relocated from if, and only if, it went in.
  Tried try_reserve() noexcept;
  Tried try_push(void* message) noexcept;
  /// Waits for no place: of an unbounded queue, or of one whose only place is the sender's own. False: refused.
  bool push(void* message);
  /// Into the reserved place. False: nobody can receive it; the place is given up all the same.
  bool commit(void* message) noexcept;

  // For receivers.
  Tried try_pop(void* into) noexcept;
  void pop_promised(void* into) noexcept;
  void unpromise() noexcept;
  /// Of the sender that was granted a place and does not use it; of the receiver that does not take.
  void give_back_sent(ChannelWait& wait) noexcept {
    if (!wait.refused) release();
  }
  void give_back_received(ChannelWait& wait) noexcept {
    if (!wait.refused) unpromise();
  }

  static void pump_of(ChannelCore& core, WakeList& woken) noexcept {
    static_cast<QueueCore&>(core).pump(woken);
  }
  static void drain_of(ChannelCore& core) noexcept { static_cast<QueueCore&>(core).drain(); }
  static void free_of(ChannelCore& core) noexcept;

 private:
  struct Block;
  struct BlockList;  // after the object, instead of a ring

  QueueCore(const ChannelOps& ops, PrimitiveKind kind, Name name, std::uint32_t capacity) noexcept
      : ChannelCore(ops, kind, name) {
    capacity_ = capacity;
  }
  static std::size_t alignment(const ChannelOps& ops) noexcept;

  // Under the lock.
  void pump(WakeList& woken) noexcept {
    if (primitive_.waiting() > 0) [[unlikely]]
      serve(woken);
  }
  void serve(WakeList& woken) noexcept;
  bool has_room() const noexcept { return length_ + reserved_ < capacity_; }
  void put(void* message) noexcept;
  /// A block that is to be freed, or nullptr.
  Block* get(void* into) noexcept;
  /// The place so many behind the first; fewer than there are.
  void* ring_slot(std::uint32_t behind) noexcept;
  void* after_object() noexcept { return reinterpret_cast<std::byte*>(this) + ops_->offset; }
  BlockList& blocks() noexcept;

  bool push_unbounded(void* message);
  void drain() noexcept;

  std::uint32_t promised_ = 0;
  std::uint32_t head_ = 0;
};
// With what the allocator adds, which rounds to 16 bytes and has 8 of its own.
static_assert(sizeof(QueueCore) <= 96, "an idle channel of n places costs 128 bytes and the places");

}  // namespace quiesce::detail
