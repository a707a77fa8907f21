#include "quiesce/detail/sync/primitive.hpp"

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce::detail {

// Between the last and the first.
void WaitList::put_in_ring(WaitNode& node) noexcept {
  if (last_ == nullptr) {
    last_ = &node;
    node.link(node, node);
    return;
  }
  WaitNode* const first = last_->ring_next();
  node.link(*last_, *first);
  last_->set_ring_next(&node);
  first->set_ring_prev(&node);
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
  QUIESCE_ASSERT(node.linked(), "only a node that is in the list leaves it");
  WaitNode* const next = node.ring_next();
  if (next == &node) {
    node.set_unlinked();
    last_ = nullptr;
    return;
  }
  WaitNode* const prev = node.ring_prev();
  node.set_unlinked();
  prev->set_ring_next(next);
  next->set_ring_prev(prev);
  if (last_ == &node) last_ = prev;
}

bool WakeList::claim(Waiter waiter) noexcept {
  const Kernel::Claim claim = Kernel::claim_granted(waiter);
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

void Primitive::tell_birth() noexcept {
  if (exact_executor != nullptr) logical_ = exact_executor->new_object(who_.kind.text(), who_.name);
}

void Primitive::tell_use(Use how) const noexcept {
  if (exact_executor != nullptr) exact_executor->use(logical_, how);
}

bool Primitive::grant(WaitList& list, WaitNode& node, WakeList& woken) noexcept {
  list.remove(node);
  --waiting_;
  node.set_granted();
  if (woken.claim(node.waiter)) return true;
  node.clear_granted();
  node.set_missed();
  return false;
}

std::uint32_t Primitive::grant_all(WaitList& list, WakeList& woken) noexcept {
  std::uint32_t granted = 0;
  while (grant_first(list, woken)) ++granted;
  return granted;
}

}  // namespace quiesce::detail
