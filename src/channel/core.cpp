#include "quiesce/detail/channel/core.hpp"

#include <string>

#include "quiesce/detail/assert.hpp"

namespace quiesce::detail {

namespace {
constexpr const char* outlived = "an end of a channel outlives the waits that were made from it";
}

void ChannelCore::add_sender() noexcept {
  const Primitive::Hold hold(primitive_);
  ++senders_;
}

void ChannelCore::add_receiver() noexcept {
  const Primitive::Hold hold(primitive_);
  ++receivers_;
}

void ChannelCore::drop_sender() noexcept {
  bool last = false;
  {
    WakeList woken;
    const Primitive::Hold hold(primitive_);
    if (--senders_ > 0) return;
    QUIESCE_ASSERT(sending_.empty() && watching_.empty(), outlived);
    ops_->pump(*this, woken);
    last = is_unused();
  }
  if (last) ops_->free(*this);
}

void ChannelCore::drop_receiver() noexcept {
  {
    WakeList woken;
    const Primitive::Hold hold(primitive_);
    if (receivers_ > 1) {
      --receivers_;
      return;
    }
    QUIESCE_ASSERT(receiving_.empty(), outlived);
    abandoned_ = true;
    ops_->pump(*this, woken);
  }
  ops_->drain(*this);
  bool last = false;
  {
    const Primitive::Hold hold(primitive_);
    length_ = 0;
    receivers_ = 0;
    last = is_unused();
  }
  if (last) ops_->free(*this);
}

void ChannelCore::close() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  closed_ = true;
  ops_->pump(*this, woken);
}

bool ChannelCore::is_closed() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return is_shut();
}

bool ChannelCore::keep_place(WaitNode& node, Waiter waiter) noexcept {
  const Primitive::Hold hold(primitive_);
  return Primitive::keep_place(node, waiter);
}

void ChannelCore::enlist(WaitList& list, WaitNode& node, ChannelWait& wait) noexcept {
  WakeList woken;
  node.operation = &wait;
  const Primitive::Hold hold(primitive_);
  primitive_.enlist(list, node);
  ops_->pump(*this, woken);
}

// Nobody behind can go on by that: each waits for one thing, and is asked when there is one.
bool ChannelCore::delist(WaitList& list, WaitNode& node) noexcept {
  const Primitive::Hold hold(primitive_);
  return primitive_.delist(list, node);
}

void ChannelCore::release() noexcept {
  bool last = false;
  {
    WakeList woken;
    const Primitive::Hold hold(primitive_);
    --reserved_;
    ops_->pump(*this, woken);
    last = is_unused();
  }
  if (last) ops_->free(*this);
}

void ChannelCore::refuse_all(WaitList& list, WakeList& woken) noexcept {
  while (!list.empty()) {
    wait_of(*list.front()).refused = true;
    primitive_.grant_front(list, woken);
  }
}

ChannelStatistics ChannelCore::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  ChannelStatistics look;
  look.length = length_;
  look.capacity = capacity_;
  look.reserved = reserved_;
  look.senders = senders_;
  look.receivers = receivers_;
  look.waiters = primitive_.waiting();
  look.waited = primitive_.waited();
  look.is_closed = is_shut();
  return look;
}

std::uint32_t ChannelCore::length() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return length_;
}

bool ChannelCore::has_sent() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return has_sent_;
}

Error ChannelCore::error(ErrorCode code, const char* sentence) const {
  std::string text(primitive_.kind());
  if (primitive_.name() != nullptr) text.append(" \"").append(primitive_.name()).append("\"");
  return Error(code, text.append(": ").append(sentence));
}

Error ChannelCore::no_receivers() const {
  return error(ErrorCode::Disconnected,
               "its receivers have closed it or are gone, so nobody would receive the message: stop sending");
}

}  // namespace quiesce::detail
