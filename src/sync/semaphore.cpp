#include "quiesce/sync/semaphore.hpp"

#include <algorithm>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce {

using detail::AcquireOperation;
using detail::Primitive;
using detail::TaskSlab;
using detail::WaitNode;
using detail::WakeList;

namespace {

TaskId running_task() noexcept {
  const detail::TaskRecord* task = detail::current_task();
  return task == nullptr ? TaskId{} : task->id();
}

}  // namespace

// First come, first served: whoever is first and can be served is. Called whenever that may have changed.
void Semaphore::serve(WakeList& woken) noexcept {
  while (!waiters_.empty()) {
    const WaitNode& first = *waiters_.front();
    auto& acquire = *static_cast<AcquireOperation*>(detail::waiting_operation(first));
    const std::uint32_t count = closed_ ? 0 : acquire.count_;
    if (count > free_) return;
    acquire.closed_ = closed_;
    const TaskId waiter = TaskSlab::find(first.waiter.index())->id();
    if (!primitive_.grant_front(waiters_, woken) || count == 0) continue;
    free_ -= count;
    held_ += count;
    note_holder(waiter);
  }
}

// Only the first few are named: enough to tell who keeps whom waiting.
void Semaphore::note_holder(TaskId task) noexcept {
  ++holder_count_;
  const auto place = std::ranges::find(holders_, TaskId{});
  if (place != holders_.end()) *place = task;
}

void Semaphore::put_back(std::uint32_t count, TaskId holder, bool for_good) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  held_ -= count;
  --holder_count_;
  const auto place = std::ranges::find(holders_, holder);
  if (place != holders_.end()) *place = TaskId{};
  if (for_good) return;
  free_ += count;
  pump(woken);
}

void Semaphore::add_permits(std::uint32_t count) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  free_ += count;
  pump(woken);
}

void Semaphore::close() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  closed_ = true;
  pump(woken);
}

std::uint32_t Semaphore::available_permits() const noexcept {
  const Primitive::Hold hold(primitive_, detail::Use::Read);
  return free_;
}

SemaphoreStatistics Semaphore::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, detail::Use::Read);
  return {free_, held_, primitive_.waiting(), primitive_.waited(), closed_};
}

std::optional<Outcome<SemaphorePermit>> Semaphore::try_acquire(std::uint32_t count,
                                                               std::source_location where) noexcept {
  AcquireOperation acquire(*this, count, where);
  if (!acquire.try_now()) return std::nullopt;
  return acquire.take();
}

void SemaphorePermit::release() noexcept {
  if (count_ == 0) return;
  (void)lease_.commit();
  semaphore_->put_back(std::exchange(count_, 0), holder_, false);
}

void SemaphorePermit::forget() noexcept {
  if (count_ == 0) return;
  (void)lease_.commit();
  semaphore_->put_back(std::exchange(count_, 0), holder_, true);
}

namespace detail {

bool AcquireOperation::try_now() noexcept {
  if (count_ == 0) return true;  // refused
  Semaphore& s = *semaphore_;
  const Primitive::Hold hold(s.primitive_);
  if (s.closed_) return closed_ = true;
  if (!s.waiters_.empty() || s.free_ < count_) return false;
  s.free_ -= count_;
  s.held_ += count_;
  s.note_holder(running_task());
  return true;
}

WaitPlace AcquireOperation::place() const noexcept { return {&semaphore_->primitive_, &semaphore_->waiters_}; }
void AcquireOperation::pump(WakeList& woken) noexcept { semaphore_->pump(woken); }

// It may have been the one that those behind it waited for.
bool AcquireOperation::delist(WaitNode& node) noexcept {
  WakeList woken;
  const Primitive::Hold hold(semaphore_->primitive_);
  const bool granted = semaphore_->primitive_.delist(semaphore_->waiters_, node);
  semaphore_->pump(woken);
  return granted;
}

void AcquireOperation::give_back() noexcept {
  if (!closed_) semaphore_->put_back(count_, running_task(), false);
}

Outcome<SemaphorePermit> AcquireOperation::take() noexcept {
  using Permit = Outcome<SemaphorePermit>;
  if (count_ == 0)
    return Permit::err(Error(ErrorCode::InvalidArgument, "a semaphore gives one permit at least"));
  if (closed_) {
    const char* name = semaphore_->primitive_.name();
    return Permit::err(Error(ErrorCode::Disconnected, std::string("semaphore ") +
                                                          (name == nullptr ? "" : name) +
                                                          " is closed: it gives no permits any more"));
  }
  TaskRecord* task = current_task();
  if (task == nullptr) {
    give_back();
    return Permit::err(Error(ErrorCode::ForeignContext,
                             "Semaphore: a permit is an obligation, and no task runs here to owe it"));
  }
  auto lease = Obligation::detail_reserve(CxCore{task, task->id().generation}, ObligationKind::Lease, where_);
  if (!lease) {
    give_back();
    return Permit::err(Error(std::move(lease).error()));
  }
  return Permit::ok(SemaphorePermit(*semaphore_, std::move(owner_), std::move(*lease), task->id(), count_));
}

WaitSubject AcquireOperation::subject() const noexcept {
  const Primitive::Hold hold(semaphore_->primitive_, Use::Read);
  WaitSubject subject = subject_of(semaphore_->primitive_);
  for (const TaskId holder : semaphore_->holders_) {
    if (holder != TaskId{}) subject.holders[subject.holder_count++] = holder;
  }
  subject.holder_count = semaphore_->holder_count_;
  return subject;
}

}  // namespace detail
}  // namespace quiesce
