#include "quiesce/detail/sync/primitive.hpp"

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce::detail {

void WaitList::push_back(WaitNode& node) noexcept {
  QUIESCE_ASSERT(!node.linked, "a node is in one list at a time");
  node.linked = true;
  node.prev = tail_;
  node.next = nullptr;
  (tail_ == nullptr ? head_ : tail_->next) = &node;
  tail_ = &node;
}

void WaitList::push_front(WaitNode& node) noexcept {
  QUIESCE_ASSERT(!node.linked, "a node is in one list at a time");
  node.linked = true;
  node.prev = nullptr;
  node.next = head_;
  (head_ == nullptr ? tail_ : head_->prev) = &node;
  head_ = &node;
}

WaitNode* WaitList::pop_front() noexcept {
  WaitNode* node = head_;
  if (node != nullptr) remove(*node);
  return node;
}

void WaitList::remove(WaitNode& node) noexcept {
  QUIESCE_ASSERT(node.linked, "only a node that is in the list leaves it");
  (node.prev == nullptr ? head_ : node.prev->next) = node.next;
  (node.next == nullptr ? tail_ : node.next->prev) = node.prev;
  node.linked = false;
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

Primitive::Primitive(const char* kind, Name name) noexcept : who_{kind, name.text()} {
  if (exact_executor != nullptr) logical_ = exact_executor->new_object(who_.kind, who_.name);
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
