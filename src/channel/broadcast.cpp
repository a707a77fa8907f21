#include "quiesce/channel/broadcast.hpp"

#include <algorithm>
#include <array>
#include <new>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

using broadcast::RecvError;

PanicPayload panic_by_exception() noexcept {
  TaskRecord& task = *current_task();
  return task.kernel().note_panic(task, std::current_exception());
}

// ---- memory ----

std::size_t BroadcastCore::ring_offset(const BroadcastOps& ops) noexcept {
  return (sizeof(BroadcastCore) + ops.slot_align - 1) / ops.slot_align * ops.slot_align;
}

std::align_val_t BroadcastCore::alignment(const BroadcastOps& ops) noexcept {
  return std::align_val_t(std::max(ops.slot_align, alignof(BroadcastCore)));
}

BroadcastCore* BroadcastCore::make(const BroadcastOps& ops, std::uint32_t capacity, Name name) {
  void* memory = ::operator new(ring_offset(ops) + capacity * ops.slot_size, alignment(ops));
  auto* core = new (memory) BroadcastCore(ops, capacity, name);
  if (ops.shared) {
    for (std::uint32_t i = 0; i < capacity; ++i) new (core->slot(i)) SharedMessage*(nullptr);
  }
  return core;
}

// Without receivers nobody has yet to see anything: no slot has a pointer.
void BroadcastCore::free() noexcept {
  const std::align_val_t align = alignment(*ops_);
  this->~BroadcastCore();
  ::operator delete(static_cast<void*>(this), align);
}

// ---- under the lock ----

void* BroadcastCore::slot(std::uint64_t number) noexcept {
  return reinterpret_cast<std::byte*>(this) + ring_offset(*ops_) + number % capacity_ * ops_->slot_size;
}

SharedMessage*& BroadcastCore::shared_at(std::uint64_t number) noexcept {
  return *std::launder(static_cast<SharedMessage**>(slot(number)));
}

SharedMessage* BroadcastCore::see(std::uint64_t number) noexcept {
  SharedMessage*& place = shared_at(number);
  return --place->unseen_ == 0 ? std::exchange(place, nullptr) : nullptr;
}

// ---- senders ----

std::uint32_t BroadcastCore::send(const void* from) noexcept {
  struct FallsOut {
    SharedMessage* message = nullptr;
    ~FallsOut() {
      if (message != nullptr) message->release();
    }
  } fell_out;
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (receivers_ == 0) return 0;
  if (ops_->shared) {
    fell_out.message = std::exchange(shared_at(sent_), *static_cast<SharedMessage* const*>(from));
    shared_at(sent_)->unseen_ = receivers_;
  } else {
    std::memcpy(slot(sent_), from, ops_->slot_size);
  }
  ++sent_;
  primitive_.grant_all(waiters_, woken);
  return receivers_;
}

void BroadcastCore::add_sender() noexcept {
  const Primitive::Hold hold(primitive_);
  ++senders_;
}

void BroadcastCore::drop_sender() noexcept {
  bool last = false;
  {
    WakeList woken;
    const Primitive::Hold hold(primitive_);
    if (--senders_ == 0) primitive_.grant_all(waiters_, woken);
    last = senders_ == 0 && receivers_ == 0;
  }
  if (last) free();
}

// ---- receivers ----

std::uint64_t BroadcastCore::add_receiver() noexcept {
  const Primitive::Hold hold(primitive_);
  ++receivers_;
  return sent_;
}

// How many values one critical section goes through.
constexpr std::uint64_t values_at_once = 32;

// What is sent from the first section on counts it anyway. What was sent before stays there for the other receiver, unless it is
// pushed out.
std::uint64_t BroadcastCore::copy_receiver(const std::uint64_t next) noexcept {
  std::uint64_t end = 0;
  {
    const Primitive::Hold hold(primitive_);
    ++receivers_;
    end = sent_;
  }
  for (std::uint64_t number = next; ops_->shared && number < end;) {
    const Primitive::Hold hold(primitive_);
    number = std::max(number, oldest());
    for (const std::uint64_t until = std::min(end, number + values_at_once); number < until; ++number)
      ++shared_at(number)->unseen_;
  }
  return next;
}

// As if it had seen the rest.
void BroadcastCore::drop_receiver(std::uint64_t next) noexcept {
  for (;;) {
    std::array<SharedMessage*, values_at_once> unwanted;
    std::size_t count = 0;
    bool done = false, last = false;
    {
      const Primitive::Hold hold(primitive_);
      next = ops_->shared ? std::max(next, oldest()) : sent_;
      for (const std::uint64_t until = std::min(sent_, next + values_at_once); next < until; ++next) {
        if (SharedMessage* message = see(next)) unwanted[count++] = message;
      }
      done = next >= sent_;
      if (done) --receivers_;
      last = done && senders_ == 0 && receivers_ == 0;
    }
    for (std::size_t i = 0; i < count; ++i) unwanted[i]->release();
    if (last) free();
    if (done) return;
  }
}

BroadcastCore::Received BroadcastCore::receive(std::uint64_t& next, void* into) noexcept {
  const Primitive::Hold hold(primitive_);
  if (next < oldest()) {
    const std::uint64_t missed = oldest() - next;
    next = oldest();
    missed_ += missed;
    return {false, RecvError(RecvError::Kind::Lagged, missed)};
  }
  if (next == sent_) return {false, senders_ == 0 ? RecvError::Kind::Closed : RecvError::Kind::Empty};
  if (ops_->shared) {
    SharedMessage* const message = shared_at(next);
    if (see(next) == nullptr) message->retain();
    *static_cast<SharedMessage**>(into) = message;
  } else {
    std::memcpy(into, slot(next), ops_->slot_size);
  }
  ++next;
  return {true, RecvError::Kind::Empty};
}

broadcast::Statistics BroadcastCore::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return {senders_, receivers_, primitive_.waiting(), primitive_.waited(), sent_, missed_};
}

bool BroadcastReceive::try_now() noexcept {
  const Primitive::Hold hold(core_->primitive_, Use::Read);
  return core_->has_for(*next_);
}

// Alone in a list of its own when there is something for it: the others have nothing to see.
void BroadcastReceive::enlist(WaitNode& node) noexcept {
  WakeList woken;
  WaitList alone;
  const Primitive::Hold hold(core_->primitive_);
  const bool ready = core_->has_for(*next_);
  core_->primitive_.enlist(ready ? alone : core_->waiters_, node);
  if (ready) core_->primitive_.grant_front(alone, woken);
}

bool BroadcastReceive::delist(WaitNode& node) noexcept {
  const Primitive::Hold hold(core_->primitive_);
  return core_->primitive_.delist(core_->waiters_, node);
}

WaitSubject BroadcastReceive::subject() const noexcept { return subject_of(core_->primitive_); }

}  // namespace quiesce::detail
