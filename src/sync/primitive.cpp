#include "quiesce/detail/sync/primitive.hpp"

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce::detail {

// Between the last and the first.
void WaitList::put_in_ring(WaitNode& node) noexcept {
  QUIESCE_ASSERT(!node.linked, "a node is in one list at a time");
  node.linked = true;
  if (last_ == nullptr) {
    last_ = node.ring_prev = node.ring_next = &node;
    return;
  }
  node.ring_prev = last_;
  node.ring_next = last_->ring_next;
  last_->ring_next->ring_prev = &node;
  last_->ring_next = &node;
}

void WaitList::push_back(WaitNode& node) noexcept {
  put_in_ring(node);
  last_ = &node;
}

void WaitList::push_front(WaitNode& node) noexcept { put_in_ring(node); }

WaitNode* WaitList::pop_front() noexcept {
  WaitNode* node = front();
  if (node != nullptr) remove(*node);
  return node;
}

void WaitList::remove(WaitNode& node) noexcept {
  QUIESCE_ASSERT(node.linked, "only a node that is in the list leaves it");
  node.linked = false;
  if (node.ring_next == &node) {
    last_ = nullptr;
    return;
  }
  node.ring_prev->ring_next = node.ring_next;
  node.ring_next->ring_prev = node.ring_prev;
  if (last_ == &node) last_ = node.ring_prev;
}

bool WakeList::claim(Waiter waiter) noexcept {
  const Kernel::Claim claim = Kernel::claim_only(waiter);
  if (claim.sleeper != nullptr) {
    claim.sleeper->queue_next = nullptr;
    (first_ == nullptr ? first_ : last_->queue_next) = claim.sleeper;
    last_ = claim.sleeper;
  }
  return claim.won;
}

// Each is free to run, and to be queued, once it has been scheduled: its link is read before.
void WakeList::wake() noexcept {
  TaskRecord* task = std::exchange(first_, nullptr);
  while (task != nullptr) {
    TaskRecord* const next = std::exchange(task->queue_next, nullptr);
    Kernel::wake(*task);
    task = next;
  }
}

Primitive::Primitive(PrimitiveKind kind, Name name) noexcept : who_{kind, name.text()} {
  if (exact_executor != nullptr) logical_ = exact_executor->new_object(who_.kind.text(), who_.name);
}

void Primitive::note_use(Use how) const noexcept {
  if (exact_executor != nullptr) exact_executor->use(logical_, how);
}

bool Primitive::grant(WaitList& list, WaitNode& node, WakeList& woken) noexcept {
  list.remove(node);
  --waiting_;
  node.granted = true;
  if (woken.claim(node.waiter)) return true;
  node.granted = false;
  node.missed = true;
  return false;
}

std::uint32_t Primitive::grant_all(WaitList& list, WakeList& woken) noexcept {
  std::uint32_t granted = 0;
  while (grant_first(list, woken)) ++granted;
  return granted;
}

}  // namespace quiesce::detail
