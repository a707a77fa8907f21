#include "quiesce/detail/sync/raw_mutex.hpp"

#include <string>

#include "quiesce/detail/coro/promise.hpp"
#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

namespace {

/// As Primitive::note_use, where the running task is at hand.
void note(const Primitive& primitive, const TaskRecord* task, Use how) noexcept {
  if (task != nullptr) task->kernel().use(primitive.logical(), how);
}

}  // namespace

// The conflict of a failed try is with the one that unlocks: a read.
RawMutex::Tried RawMutex::try_lock() noexcept {
  const TaskRecord* task = current_task();
  const std::uint64_t me = holder_bits(task);
  std::uint64_t seen = 0;
  if (word_.compare_exchange_strong(seen, held | me, std::memory_order_acquire, std::memory_order_relaxed)) {
    note(primitive_, task, Use::Write);
    return Tried::Locked;
  }
  note(primitive_, task, Use::Read);
  return me != 0 && holder_of(seen) == me ? Tried::Mine : Tried::Busy;
}

void RawMutex::unlock() noexcept { unlock(word_.load(std::memory_order_relaxed), current_task()); }

void RawMutex::unlock(std::uint64_t seen, const TaskRecord* task) noexcept {
  if ((seen & waiters) == 0 &&
      word_.compare_exchange_strong(seen, 0, std::memory_order_release, std::memory_order_relaxed)) {
    note(primitive_, task, Use::Write);
    return;
  }
  unlock_waited_for();
}

// Apart from the fast path, which would else pay for its frame.
[[gnu::noinline]] void RawMutex::unlock_waited_for() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  hand_over(woken);
}

void RawMutex::unlock_guarded() noexcept {
  TaskRecord* task = current_task();
  const std::uint64_t seen = word_.load(std::memory_order_relaxed);
  if (task != nullptr && holder_of(seen) == holder_bits(task)) release_guard(*task, primitive_.who());
  unlock(seen, task);
}

void RawMutex::hand_over(WakeList& woken) noexcept {
  while (!list_.empty()) {
    // It is in the list, so it waits, or is about to come and leave it: its record is in the same life.
    const std::uint32_t index = list_.front()->waiter.index();
    word_.store(held | waiters | holder_bits(TaskSlab::find(index)), std::memory_order_relaxed);
    if (!primitive_.grant_front(list_, woken)) continue;
    if (list_.empty()) word_.fetch_and(~waiters, std::memory_order_relaxed);
    return;
  }
  word_.store(0, std::memory_order_release);
}

void RawMutex::enlist(WaitNode& node) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  primitive_.enlist(list_, node);
  std::uint64_t seen = word_.load(std::memory_order_relaxed);
  while ((seen & waiters) == 0) {
    if (!word_.compare_exchange_weak(seen, seen | held | waiters, std::memory_order_acquire,
                                     std::memory_order_relaxed))
      continue;
    if ((seen & held) == 0) hand_over(woken);
    return;
  }
}

bool RawMutex::delist(WaitNode& node) noexcept {
  const Primitive::Hold hold(primitive_);
  const bool granted = primitive_.delist(list_, node);
  if (list_.empty()) word_.fetch_and(~waiters, std::memory_order_relaxed);
  return granted;
}

void RawMutex::count_guard() noexcept {
  if (TaskRecord* task = current_task()) hold_guard(*task, primitive_.who());
}

TaskId RawMutex::holder() const noexcept {
  const std::uint64_t seen = word_.load(std::memory_order_relaxed);
  return {static_cast<std::uint32_t>(seen >> index_shift) & 0xffffff,
          static_cast<std::uint32_t>(seen >> generation_shift)};
}

WaitSubject RawMutex::subject() const noexcept {
  WaitSubject subject{primitive_.kind(), primitive_.name(), {}, 0};
  if (const TaskId task = holder(); task.is_valid()) {
    subject.holders[0] = task;
    subject.holder_count = 1;
  }
  return subject;
}

MutexStatistics RawMutex::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  const std::uint64_t seen = word_.load(std::memory_order_relaxed);
  return {(seen & held) != 0, holder(), primitive_.waiting(), primitive_.waited()};
}

Error RawLockOperation::why_refused() const {
  return locked_by_itself(mutex_->primitive(), "has locked", "lock");
}

Error locked_by_itself(const Primitive& primitive, const char* has, const char* wants) {
  std::string text = "task " + (current_task() == nullptr ? "?" : current_task()->path.to_string()) + ' ' +
                     has + " the " + primitive.kind();
  if (primitive.name() != nullptr) text += std::string(" \"") + primitive.name() + '"';
  text += std::string(" already, and would wait for itself for ever to ") + wants +
          " it: let the first guard go before, or pass it on";
  return Error(ErrorCode::InvalidArgument, std::move(text));
}

}  // namespace quiesce::detail
