#include "quiesce/channel/watch.hpp"

#include <string>

namespace quiesce::detail {

void WatchCore::send(Value value) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  value_.swap(value);  // the old one goes with the parameter, after the lock
  ++version_;
  primitive_.grant_all(waiters_, woken);
}

void WatchCore::close() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  closed_ = true;
  primitive_.grant_all(waiters_, woken);
}

std::uint64_t WatchCore::add_receiver() noexcept {
  const Primitive::Hold hold(primitive_);
  ++receivers_;
  return version_;
}

void WatchCore::drop_receiver() noexcept {
  const Primitive::Hold hold(primitive_);
  --receivers_;
}

WatchCore::Value WatchCore::read(std::uint64_t* seen) const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  if (seen != nullptr) *seen = version_;
  return value_;
}

WatchCore::Value WatchCore::read_news(std::uint64_t& seen) const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  if (version_ <= seen) return nullptr;
  seen = version_;
  return value_;
}

bool WatchCore::has_news(const std::uint64_t& seen) const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return version_ > seen;
}

bool WatchCore::is_closed() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return closed_;
}

watch::Statistics WatchCore::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return {version_, receivers_, primitive_.waiting(), primitive_.waited(), closed_};
}

// What can end a wait without news: the sender, or another task that used the same receiver meanwhile.
Error WatchCore::gone() const {
  if (!is_closed())
    return Error(
        ErrorCode::InvalidArgument,
        "watch: two tasks wait for one receiver, and the other has seen the change: give each a copy of it");
  std::string text = "watch ";
  if (primitive_.name() != nullptr) text.append(primitive_.name()).append(": ");
  return Error(ErrorCode::Disconnected,
               text + "the sender is gone, and its last value was seen: it will not change");
}

bool WatchChange::try_now() noexcept {
  const Primitive::Hold hold(core_->primitive_, Use::Read);
  return core_->ends_wait(*seen_);
}

// Alone in a list of its own when there is news for it: the others have none.
void WatchChange::enlist(WaitNode& node) noexcept {
  WakeList woken;
  WaitList alone;
  const Primitive::Hold hold(core_->primitive_);
  const bool ready = core_->ends_wait(*seen_);
  core_->primitive_.enlist(ready ? alone : core_->waiters_, node);
  if (ready) core_->primitive_.grant_front(alone, woken);
}

bool WatchChange::delist(WaitNode& node) noexcept {
  const Primitive::Hold hold(core_->primitive_);
  return core_->primitive_.delist(core_->waiters_, node);
}

WaitSubject WatchChange::subject() const noexcept { return subject_of(core_->primitive_); }

}  // namespace quiesce::detail
