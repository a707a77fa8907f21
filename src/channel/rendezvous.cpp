#include "quiesce/detail/channel/rendezvous.hpp"

#include <algorithm>
#include <new>

namespace quiesce::detail {

namespace {

std::size_t alignment(const ChannelOps& ops) { return std::max(ops.align, alignof(RendezvousCore)); }

}  // namespace

RendezvousCore* RendezvousCore::make(const ChannelOps& ops, PrimitiveKind kind, Name name) {
  void* memory = ::operator new(ops.offset + ops.size, std::align_val_t(alignment(ops)));
  return new (memory) RendezvousCore(ops, kind, name);
}

void RendezvousCore::free_of(ChannelCore& core) noexcept {
  auto& rendezvous = static_cast<RendezvousCore&>(core);
  const std::align_val_t align{alignment(*rendezvous.ops_)};
  rendezvous.~RendezvousCore();
  ::operator delete(&rendezvous, align);
}

void RendezvousCore::drain_of(ChannelCore& core) noexcept {
  auto& rendezvous = static_cast<RendezvousCore&>(core);
  if (rendezvous.lying() > 0) rendezvous.ops_->destroy(rendezvous.place());
}

void* RendezvousCore::place() noexcept { return reinterpret_cast<std::byte*>(this) + ops_->offset; }

// ---- under the lock ----

bool RendezvousCore::hand_over(void* message, WakeList& woken) noexcept {
  while (!receiving_.empty()) {
    ChannelWait& receiver = wait_of(*receiving_.front());
    ops_->relocate(receiver.place, message);
    receiver.full = true;
    if (primitive_.grant_front(receiving_, woken)) return true;
    ops_->relocate(message, receiver.place);  // its task cannot leave without the lock
    receiver.full = false;
  }
  return false;
}

bool RendezvousCore::is_met_by_another(const WaitNode& sender) const noexcept {
  const WaitNode* receiver = receiving_.front();
  while (receiver != nullptr && receiver->waiter.packed == sender.waiter.packed)
    receiver = receiving_.after(*receiver);
  return receiver != nullptr;
}

void RendezvousCore::match(WaitNode& node, WakeList& woken) noexcept {
  ChannelWait& sender = wait_of(node);
  if (sender.place == nullptr) {  // a reservation
    ++reserved_;
    if (!primitive_.grant(sending_, node, woken)) --reserved_;
    return;
  }
  ops_->relocate(place(), sender.place);
  sender.full = false;
  if (!primitive_.grant(sending_, node, woken)) {
    ops_->relocate(sender.place, place());
    sender.full = true;
    return;
  }
  note_put();
}

void RendezvousCore::pump(WakeList& woken) noexcept {
  if (is_shut()) {
    refuse_all(sending_, woken);
    primitive_.grant_all(watching_, woken);
  }
  if (lying() > 0 && hand_over(place(), woken)) note_taken();
  for (WaitNode* next = sending_.front(); next != nullptr && is_place_free();) {
    WaitNode& sender = *std::exchange(next, sending_.after(*next));
    if (!is_met_by_another(sender)) continue;
    match(sender, woken);
    if (lying() > 0 && hand_over(place(), woken)) note_taken();
  }
  if (is_drained()) refuse_all(receiving_, woken);
}

// ---- senders ----

Tried RendezvousCore::try_reserve() noexcept {
  const Primitive::Hold hold(primitive_);
  if (is_shut()) return Tried::Refused;
  if (!sending_.empty() || receiving_.empty() || !is_place_free()) return Tried::MustWait;
  ++reserved_;
  return Tried::Done;
}

Tried RendezvousCore::try_push(void* message) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (is_shut()) return Tried::Refused;
  if (!sending_.empty() || !is_place_free() || !hand_over(message, woken)) return Tried::MustWait;
  return Tried::Done;
}

bool RendezvousCore::commit(void* message) noexcept {
  bool sent = false, last = false;
  {
    WakeList woken;
    const Primitive::Hold hold(primitive_);
    --reserved_;
    sent = !abandoned_;
    if (sent) {
      ops_->relocate(place(), message);
      note_put();
    }
    pump(woken);
    last = is_unused();
  }
  if (last) free_of(*this);
  return sent;
}

// ---- receivers ----

Tried RendezvousCore::try_pop(void* into) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (lying() > 0) {
    ops_->relocate(into, place());
    note_taken();
    pump(woken);
    return Tried::Done;
  }
  while (receiving_.empty() && !sending_.empty()) {
    ChannelWait& sender = wait_of(*sending_.front());
    if (sender.place == nullptr) break;  // it must see a receiver wait
    ops_->relocate(into, sender.place);
    sender.full = false;
    if (primitive_.grant_front(sending_, woken)) return Tried::Done;
    ops_->relocate(sender.place, into);
    sender.full = true;
  }
  return is_drained() ? Tried::Refused : Tried::MustWait;
}

}  // namespace quiesce::detail
