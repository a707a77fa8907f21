#include "quiesce/detail/channel/node_queue.hpp"

#include "quiesce/detail/sync/wait.hpp"

namespace quiesce::detail {

void NodeQueue::link(QueueNode& node) noexcept {
  node.next = nullptr;
  (head_ == nullptr ? head_ : tail_->next) = &node;
  tail_ = &node;
  ++queued_;
}

QueueNode* NodeQueue::unlink() noexcept {
  QueueNode* node = head_;
  if (node == nullptr) return nullptr;
  head_ = node->next;
  --queued_;
  return node;
}

// The node at the front is chosen before the claim, and its receiver's alone after it: it may be gone, so what is behind it is read before.
void NodeQueue::serve_receivers(WakeList& woken) noexcept {
  while (!receivers_.empty() && can_pop()) {
    QueueNode* const behind = head_ == nullptr ? nullptr : head_->next;
    static_cast<PopOperation*>(waiting_operation(*receivers_.front()))->node_ = head_;
    --waiting_receivers_;
    if (!primitive_.grant_front(receivers_, woken) || head_ == nullptr) continue;
    head_ = behind;
    --queued_;
  }
}

// True: there is something new to receive.
bool NodeQueue::serve_senders(WakeList& woken) noexcept {
  bool served = false;
  while (!senders_.empty() && can_push()) {
    auto& push = *static_cast<PushOperation*>(waiting_operation(*senders_.front()));
    QueueNode& node = *push.node_;
    push.sent_ = !receivers_gone_;
    --waiting_senders_;
    if (!primitive_.grant_front(senders_, woken)) continue;
    if (receivers_gone_) continue;
    link(node);
    served = true;
  }
  return served;
}

void NodeQueue::enlist(WaitList& list, std::uint32_t& count, WaitNode& node) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  primitive_.enlist(list, node);
  ++count;
  pump(woken);
}

// It may have been in the way of those behind it.
bool NodeQueue::delist(WaitList& list, std::uint32_t& count, WaitNode& node) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (node.linked()) --count;
  const bool granted = primitive_.delist(list, node);
  pump(woken);
  return granted;
}

void NodeQueue::add_sender() noexcept {
  const Primitive::Hold hold(primitive_);
  ++senders_left_;
}

void NodeQueue::drop_sender() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (--senders_left_ == 0) pump(woken);
}

QueueNode* NodeQueue::close_receivers() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  receivers_gone_ = true;
  QueueNode* left = std::exchange(head_, nullptr);
  queued_ = 0;
  pump(woken);
  return left;
}

bool NodeQueue::push_last(QueueNode& node) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (receivers_gone_) return false;
  link(node);
  pump(woken);
  return true;
}

bool NodeQueue::put_back(QueueNode& node) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (receivers_gone_) return false;
  if (head_ == nullptr) tail_ = &node;
  node.next = std::exchange(head_, &node);
  ++queued_;
  pump(woken);
  return true;
}

bool NodeQueue::remove(QueueNode& node) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  QueueNode* before = nullptr;
  for (QueueNode* at = head_; at != &node; at = at->next) {
    if (at == nullptr) return false;
    before = at;
  }
  (before == nullptr ? head_ : before->next) = node.next;
  if (tail_ == &node) tail_ = before;
  --queued_;
  pump(woken);
  return true;
}

NodeQueueStatistics NodeQueue::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return {queued_, waiting_senders_, waiting_receivers_, primitive_.waited()};
}

bool PushOperation::try_now() noexcept {
  WakeList woken;
  const Primitive::Hold hold(queue_->primitive_);
  if (!queue_->can_push() || !queue_->senders_.empty()) return false;
  if (queue_->receivers_gone_) return true;
  sent_ = true;
  queue_->link(*node_);
  queue_->pump(woken);
  return true;
}

void PushOperation::enlist(WaitNode& node) noexcept {
  queue_->enlist(queue_->senders_, queue_->waiting_senders_, node);
}

bool PushOperation::delist(WaitNode& node) noexcept {
  const bool granted = queue_->delist(queue_->senders_, queue_->waiting_senders_, node);
  if (!granted) sent_ = false;  // written for a claim that was lost
  return granted;
}

WaitSubject PushOperation::subject() const noexcept { return subject_of(queue_->primitive_); }

bool PopOperation::try_now() noexcept {
  WakeList woken;
  const Primitive::Hold hold(queue_->primitive_);
  if (!queue_->can_pop() || !queue_->receivers_.empty()) return false;
  node_ = queue_->unlink();
  queue_->pump(woken);
  return true;
}

void PopOperation::enlist(WaitNode& node) noexcept {
  queue_->enlist(queue_->receivers_, queue_->waiting_receivers_, node);
}

bool PopOperation::delist(WaitNode& node) noexcept {
  const bool granted = queue_->delist(queue_->receivers_, queue_->waiting_receivers_, node);
  if (!granted) node_ = nullptr;
  return granted;
}

QueueNode* PopOperation::give_back() noexcept {
  QueueNode* node = std::exchange(node_, nullptr);
  return node == nullptr || queue_->put_back(*node) ? nullptr : node;
}

WaitSubject PopOperation::subject() const noexcept { return subject_of(queue_->primitive_); }

}  // namespace quiesce::detail
