#include "quiesce/detail/channel/core.hpp"

#include <string>

#include "quiesce/detail/assert.hpp"

namespace quiesce::detail {

namespace {
constexpr const char* outlived = "an end of a channel outlives the waits that were made from it";
}

void ChannelCore::add_sender() noexcept {
  const Hold hold(*this);
  ++senders_;
}

void ChannelCore::add_receiver() noexcept {
  const Hold hold(*this);
  ++receivers_;
}

void ChannelCore::drop_sender() noexcept {
  bool last = false;
  {
    WakeList woken;
    const Hold hold(*this);
    if (--senders_ > 0) return;
    QUIESCE_ASSERT(sending_.empty() && watching_.empty(), outlived);
    note_end();
    if (primitive_.waiting() > 0) ops_->pump(*this, woken);
    last = is_unused();
  }
  if (last) ops_->free(*this);
}

void ChannelCore::drop_receiver() noexcept {
  if (!abandon()) return;
  ops_->drain(*this);
  bool last = false;
  {
    const Hold hold(*this);
    count_.stop_at(tail_.put());
    receivers_ = 0;
    last = is_unused();
  }
  if (last) ops_->free(*this);
}

/// True: it was the last, and there are messages that it leaves behind.
bool ChannelCore::abandon() noexcept {
  bool last = false;
  {
    WakeList woken;
    const Hold hold(*this);
    if (receivers_ > 1) {
      --receivers_;
      return false;
    }
    QUIESCE_ASSERT(receiving_.empty(), outlived);
    abandoned_ = true;
    if (primitive_.waiting() > 0) ops_->pump(*this, woken);
    if (lying() > 0) return true;
    receivers_ = 0;
    last = is_unused();
  }
  if (last) ops_->free(*this);
  return false;
}

void ChannelCore::close() noexcept {
  WakeList woken;
  const Hold hold(*this);
  closed_ = true;
  note_end();
  ops_->pump(*this, woken);
}

bool ChannelCore::is_closed() const noexcept {
  const Hold hold(*this, Use::Read);
  return is_shut();
}

bool ChannelCore::keep_place(WaitNode& node, Waiter waiter) noexcept {
  const Hold hold(*this);
  return Primitive::keep_place(node, waiter);
}

void ChannelCore::enlist(WaitList& list, WaitNode& node) noexcept {
  WakeList woken;
  const Hold hold(*this);
  primitive_.enlist(list, node);
  ops_->pump(*this, woken);
}

// Nobody behind can go on by that: each waits for one thing, and is asked when there is one.
bool ChannelCore::delist(WaitList& list, WaitNode& node) noexcept {
  const Hold hold(*this);
  return primitive_.delist(list, node);
}

void ChannelCore::release() noexcept {
  bool last = false;
  {
    WakeList woken;
    const Hold hold(*this);
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
  const Hold hold(*this, Use::Read);
  ChannelStatistics look;
  look.length = lying();
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
  const Hold hold(*this, Use::Read);
  return lying();
}

bool ChannelCore::has_sent() const noexcept {
  const Hold hold(*this, Use::Read);
  return tail_.put() != 0;
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
