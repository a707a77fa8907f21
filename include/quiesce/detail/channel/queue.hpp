#pragma once
// The queue behind mpsc, mpmc and oneshot: a ring in the channel's one allocation, or blocks that come and go.
//
//  1. Bounded: what lies there and what is reserved are capacity_ at most. A sender is granted a place by counting it as reserved; it
//     puts its message in when it wakes, or by its permit. The order of messages is that in which they are put in.
//  2. A receiver is granted a message by counting it as promised, of those that lie there. It takes the first one when it wakes; who
//     comes meanwhile finds the others.
//  3. The end is told when nothing lies there, nothing is reserved, and nobody can reserve: a promised message that comes back is
//     not lost to those who wait.
//  4. Blocks are made before the lock is taken and freed after it. One that has been emptied is kept for later.
//  5. A message that is put in before the limit of its side (ring.hpp) has nobody to wake: who waits for it has set the limit back,
//     under both locks. The same holds of one that is taken. All else looks whom it can serve.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include "quiesce/detail/channel/core.hpp"

namespace quiesce::detail {

class QueueCore : public ChannelCore {
 public:
  /// Of the object and a ring's head.
  static constexpr std::size_t bytes = ring_head_offset + sizeof(RingHead<>);

  /// One allocation: this, and the ring. Throws UsageError for a capacity of 0, std::bad_alloc.
  static QueueCore* make(const ChannelOps& ops, PrimitiveKind kind, Name name, std::uint32_t capacity);
  static QueueCore* make_unbounded(const ChannelOps& ops, PrimitiveKind kind, Name name);

  // For senders. `message` is relocated from if, and only if, it went in.
  Tried try_reserve() noexcept;
  template <class T>
  Tried try_push(T* message) noexcept {
    const std::uint8_t self = this_locker();
    KeptLock<>::Mark* const mark = primitive_.lock().enter_as_owner(self);
    if (mark == nullptr && !enter_behind_others(primitive_.lock(), self)) [[unlikely]]
      return push_in_turn(message);
    if (tail_.is_at_limit()) [[unlikely]]
      return push_at_limit(message, mark);
    relocate(place<T>(tail_.place()), message);
    tail_.did_put();
    primitive_.let_go(mark);
    return Tried::Done;
  }
  /// Waits for no place: of an unbounded queue, or of one whose only place is the sender's own. False: refused.
  bool push(void* message);
  /// Into the reserved place. False: nobody can receive it; the place is given up all the same.
  bool commit(void* message) noexcept;

  // For receivers.
  template <class T>
  Tried try_pop(T* into) noexcept {
    if (count_.is_at_limit() || exact_runs.load(std::memory_order_relaxed)) [[unlikely]]
      return pop_otherwise(into);
    KeptLock<>::Mark* const mark = head().lock.enter(this_locker());
    if (count_.is_at_limit()) [[unlikely]] {
      head().lock.leave(mark);
      return pop_otherwise(into);
    }
    relocate(into, place<T>(head().place()));
    head().did_take(count_);
    head().lock.leave(mark);
    return Tried::Done;
  }
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
  struct BlockList;  // behind the object, instead of a ring

  QueueCore(const ChannelOps& ops, PrimitiveKind kind, Name name, std::uint32_t capacity) noexcept
      : ChannelCore(ops, kind, name) {
    capacity_ = capacity;
  }
  static std::size_t alignment(const ChannelOps& ops) noexcept;

  template <class T>
  static void relocate(T* to, T* from) noexcept {
    std::construct_at(to, std::move(*from));
    std::destroy_at(from);
  }
  template <class T>
  T* place(std::uint32_t index) noexcept {
    auto* places = reinterpret_cast<std::byte*>(this) + places_offset<T, QueueCore>;
    return reinterpret_cast<T*>(places) + index;
  }

  // What `try_push` and `try_pop` do where it takes more than a few instructions.
  /// By its word, and not at once where somebody has it, who will mostly want it again at once. False: in an exact run, where the lab is
  /// to know of it.
  static bool enter_behind_others(KeptLock<>& lock, std::uint8_t self) noexcept;
  Tried push_in_turn(void* message) noexcept;
  /// With the senders' lock, which it gives back.
  Tried push_at_limit(void* message, KeptLock<>::Mark* mark) noexcept;
  Tried pop_otherwise(void* into) noexcept;

  // Under the lock of the side.
  Tried push_held(void* message, WakeList& woken) noexcept;
  void put(void* message) noexcept;
  /// A block that is to be freed, or nullptr.
  Block* get(void* into) noexcept;
  bool has_waiters() const noexcept { return !sending_.empty() || !receiving_.empty(); }
  Tried look_for_room() noexcept;
  /// Refused: the whole lock is needed.
  Tried look_for_messages() noexcept;
  void did_put_at_limit(WakeList& woken) noexcept {
    if (!is_split()) tail_.stop();
    if (!receiving_.empty()) serve_from_senders(woken);
  }
  /// Takes the receivers' lock besides, where there is one.
  void serve_from_senders(WakeList& woken) noexcept;

  // Under the whole lock.
  void pump(WakeList& woken) noexcept {
    if (primitive_.waiting() > 0) [[unlikely]]
      serve(woken);
  }
  void serve(WakeList& woken) noexcept;
  bool has_room() const noexcept { return lying() + reserved_ < capacity_; }

  // Under no lock.
  Tried pop_whole(void* into) noexcept;
  void serve_all() noexcept;
  void pop_promised_from_ring(void* into) noexcept;
  void* ring_slot(std::uint32_t index) noexcept {
    return reinterpret_cast<std::byte*>(this) + ops_->offset + index * ops_->size;
  }
  BlockList& blocks() noexcept;

  bool push_unbounded(void* message);
  void drain() noexcept;
};
// With what the allocator adds, which rounds to 16 bytes and has 8 of its own.
static_assert(QueueCore::bytes <= 112, "an idle channel of n places costs 128 bytes and the places");

}  // namespace quiesce::detail
