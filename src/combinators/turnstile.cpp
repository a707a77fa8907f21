#include "quiesce/detail/combinators/turnstile.hpp"

#include <string>

namespace quiesce::detail {

bool Turnstile::take_place() noexcept {
  if (!waiters_.empty() || inside_ >= places_) return false;
  ++inside_;
  return true;
}

void Turnstile::pump(WakeList& woken) noexcept {
  while (!waiters_.empty() && inside_ < places_) {
    --queued_;
    if (primitive_.grant_front(waiters_, woken)) ++inside_;
  }
  if (inside_ == 0) primitive_.grant_all(idle_, woken);
}

void Turnstile::leave() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  --inside_;
  pump(woken);
}

TurnstilePass Turnstile::try_enter() noexcept {
  const Primitive::Hold hold(primitive_);
  return take_place() ? TurnstilePass(*this) : TurnstilePass();
}

TurnstileStatistics Turnstile::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return {inside_, queued_, primitive_.waited(), refused_};
}

bool EnterOperation::try_now() noexcept {
  const Primitive::Hold hold(turnstile_->primitive_);
  if (turnstile_->take_place()) return true;
  if (turnstile_->queued_ < turnstile_->queue_max_) return false;
  ++turnstile_->refused_;
  return refused_ = true;
}

// Others may have come since the try: whoever is one too many is taken out again, and told.
void EnterOperation::enlist(WaitNode& node) noexcept {
  WakeList woken;
  Turnstile& turnstile = *turnstile_;
  const Primitive::Hold hold(turnstile.primitive_);
  turnstile.primitive_.enlist(turnstile.waiters_, node);
  ++turnstile.queued_;
  turnstile.pump(woken);
  if (!node.linked() || turnstile.queued_ <= turnstile.queue_max_) return;
  --turnstile.queued_;
  ++turnstile.refused_;
  refused_ = true;
  turnstile.primitive_.grant(turnstile.waiters_, node, woken);
}

bool EnterOperation::delist(WaitNode& node) noexcept {
  WakeList woken;
  Turnstile& turnstile = *turnstile_;
  const Primitive::Hold hold(turnstile.primitive_);
  if (node.linked()) --turnstile.queued_;
  const bool granted = turnstile.primitive_.delist(turnstile.waiters_, node);
  turnstile.pump(woken);
  return granted;
}

Outcome<TurnstilePass> EnterOperation::take() noexcept {
  if (!refused_) return Outcome<TurnstilePass>::ok(TurnstilePass(*turnstile_));
  const char* name = turnstile_->primitive_.name();
  return Outcome<TurnstilePass>::err(
      Error(ErrorCode::Overloaded, std::string(turnstile_->primitive_.kind()) + (name == nullptr ? "" : " ") +
                                       (name == nullptr ? "" : name) + ": all " +
                                       std::to_string(turnstile_->places_) + " places are taken, and " +
                                       std::to_string(turnstile_->queue_max_) +
                                       " callers wait already; try again later"));
}

void EnterOperation::give_back() noexcept {
  if (!refused_) turnstile_->leave();
}

WaitPlace EnterOperation::place() const noexcept { return {&turnstile_->primitive_, &turnstile_->waiters_}; }

bool IdleOperation::try_now() noexcept {
  const Primitive::Hold hold(turnstile_->primitive_, Use::Read);
  return turnstile_->inside_ == 0;
}

WaitPlace IdleOperation::place() const noexcept { return {&turnstile_->primitive_, &turnstile_->idle_}; }
void IdleOperation::pump(WakeList& woken) noexcept { turnstile_->pump(woken); }

}  // namespace quiesce::detail
