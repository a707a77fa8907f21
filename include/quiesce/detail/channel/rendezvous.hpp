#pragma once
// The meeting place behind q::rendezvous: a message goes from a sender to a receiver that has come for it.
//
//  1. Who comes and finds the other side waiting deals with it at once: it is not in a list itself, so there is one claim to win. The
//     message goes to or from the other's operation before that claim, and back if the claim is lost.
//  2. Both may be waiting when they come at the same time on two threads, and in selects. Then the sender's claim is first, its message
//     going to the place of the channel, and the receivers are claimed after it. If every one of them is claimed by something else in
//     that moment the message stays at the place, for the next receiver: what was sent cannot be called back.
//  3. A permit is granted while a receiver waits, one at a time, and has the place for its message. The receiver goes on waiting: it may
//     be cancelled before the permit is used, and then 2 holds likewise.
//  4. The two sides of one select are never matched with each other.
#include "quiesce/detail/channel/core.hpp"

namespace quiesce::detail {

class RendezvousCore : public ChannelCore {
 public:
  /// Of the object; the place for one message lies behind it.
  static constexpr std::size_t bytes = ring_head_offset;

  static RendezvousCore* make(const ChannelOps& ops, PrimitiveKind kind, Name name);

  // As those of QueueCore.
  Tried try_reserve() noexcept;
  Tried try_push(void* message) noexcept;
  bool commit(void* message) noexcept;
  Tried try_pop(void* into) noexcept;
  /// A receiver that was granted something has it, or was refused.
  void pop_promised(void*) noexcept {}
  void give_back_sent(ChannelWait& wait) noexcept {
    if (!wait.refused && wait.place == nullptr) release();
  }
  /// Its sender knows that it was received; it ends with the receiver's operation.
  void give_back_received(ChannelWait&) noexcept {}

  static void pump_of(ChannelCore& core, WakeList& woken) noexcept {
    static_cast<RendezvousCore&>(core).pump(woken);
  }
  static void drain_of(ChannelCore& core) noexcept;
  static void free_of(ChannelCore& core) noexcept;

 private:
  RendezvousCore(const ChannelOps& ops, PrimitiveKind kind, Name name) noexcept
      : ChannelCore(ops, kind, name) {}

  // Under the lock.
  void pump(WakeList& woken) noexcept;
  void match(WaitNode& sender, WakeList& woken) noexcept;
  bool is_met_by_another(const WaitNode& sender) const noexcept;
  /// To the first receiver that takes it. False: none did, and it lies where it lay.
  bool hand_over(void* message, WakeList& woken) noexcept;
  bool is_place_free() const noexcept { return lying() + reserved_ == 0; }
  void note_put() noexcept { tail_.set_put(tail_.put() + 1); }
  void note_taken() noexcept { count_.stop_at(tail_.put()); }
  void* place() noexcept;
};

}  // namespace quiesce::detail
