#include "quiesce/sync/rw_lock.hpp"

#include <algorithm>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/sync/raw_mutex.hpp"

namespace quiesce::detail {

namespace {

TaskId running_id() noexcept {
  const TaskRecord* task = current_task();
  return task == nullptr ? TaskId{} : task->id();
}

/// Of one that is in a list, so that its record is in the same life.
TaskId id_of(const WaitNode& node) noexcept { return TaskSlab::find(node.waiter.index())->id(); }

}  // namespace

// Whoever can be let in is. Where both wait, it is the readers' turn once after each writer.
void RawRwLock::pump(WakeList& woken) noexcept {
  while (!writing_) {
    if (!readers_waiting_.empty() && (readers_turn_ || writers_waiting_.empty())) {
      // Each is counted before its claim: it may be gone again before the next is asked.
      while (!readers_waiting_.empty()) {
        const TaskId who = id_of(*readers_waiting_.front());
        ++readers_;
        note_reader(who);
        if (primitive_.grant_front(readers_waiting_, woken)) continue;
        --readers_;
        forget_reader(who);
      }
      readers_turn_ = false;
      continue;
    }
    readers_turn_ = false;
    if (writers_waiting_.empty() || readers_ > 0) return;
    writing_ = true;
    writer_ = id_of(*writers_waiting_.front());
    --waiting_writers_;
    if (primitive_.grant_front(writers_waiting_, woken)) return;
    writing_ = false;
    writer_ = {};
  }
}

bool RawRwLock::is_mine(RwKind wants, TaskId me) const noexcept {
  if (!me.is_valid()) return false;
  if (writing_) return writer_ == me;
  const bool reads = std::ranges::find(known_readers_, me) != known_readers_.end();
  return reads && (wants == RwKind::Write || !writers_waiting_.empty());
}

RawRwLock::Tried RawRwLock::try_lock(RwKind kind) noexcept {
  const TaskId me = running_id();
  const Primitive::Hold hold(primitive_);
  const bool open = !writing_ && writers_waiting_.empty() && (kind == RwKind::Read || readers_ == 0);
  if (!open) return is_mine(kind, me) ? Tried::Mine : Tried::Busy;
  if (kind == RwKind::Read) {
    ++readers_;
    note_reader(me);
  } else {
    writing_ = true;
    writer_ = me;
  }
  return Tried::Locked;
}

void RawRwLock::enlist(RwKind kind, WaitNode& node) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (kind == RwKind::Write) ++waiting_writers_;
  primitive_.enlist(kind == RwKind::Read ? readers_waiting_ : writers_waiting_, node);
  pump(woken);
}

// A writer that does not come any more may be what readers waited behind.
bool RawRwLock::delist(RwKind kind, WaitNode& node) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (kind == RwKind::Write && node.linked()) --waiting_writers_;
  const bool granted = primitive_.delist(kind == RwKind::Read ? readers_waiting_ : writers_waiting_, node);
  pump(woken);
  return granted;
}

TaskId RawRwLock::count_guard() noexcept {
  TaskRecord* task = current_task();
  if (task == nullptr) return {};
  hold_guard(*task, primitive_.who());
  return task->id();
}

void RawRwLock::note_reader(TaskId who) noexcept {
  if (!who.is_valid()) return;
  const auto place = std::ranges::find(known_readers_, TaskId{});
  if (place != known_readers_.end()) *place = who;
}
void RawRwLock::forget_reader(TaskId who) noexcept {
  if (!who.is_valid()) return;
  const auto place = std::ranges::find(known_readers_, who);
  if (place != known_readers_.end()) *place = {};
}

// Under the lock.
void RawRwLock::leave(RwKind kind) noexcept {
  if (kind == RwKind::Read) {
    --readers_;
  } else {
    writing_ = false;
    writer_ = {};
    readers_turn_ = true;
  }
}

void RawRwLock::give_back(RwKind kind) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (kind == RwKind::Read) forget_reader(running_id());
  leave(kind);
  pump(woken);
}

void RawRwLock::unlock(RwKind kind, TaskId who) noexcept {
  TaskRecord* task = current_task();
  if (task != nullptr && task->id() == who) release_guard(*task, primitive_.who());
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (kind == RwKind::Read) forget_reader(who);
  leave(kind);
  pump(woken);
}

void RawRwLock::downgrade(TaskId who) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  leave(RwKind::Write);
  ++readers_;
  note_reader(who);
  pump(woken);
}

WaitSubject RawRwLock::subject() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  WaitSubject subject{primitive_.kind(), primitive_.name(), {}, 0};
  if (writing_ && writer_.is_valid()) subject.holders[subject.holder_count++] = writer_;
  for (const TaskId reader : known_readers_) {
    if (reader.is_valid() && !writing_) subject.holders[subject.holder_count++] = reader;
  }
  return subject;
}

RwLockStatistics RawRwLock::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return {readers_,         writing_,           writer_, primitive_.waiting() - waiting_writers_,
          waiting_writers_, primitive_.waited()};
}

Error RwLockOperationBase::why_refused() const {
  return locked_by_itself(lock_->primitive(), "is inside", kind_ == RwKind::Read ? "read" : "write");
}

}  // namespace quiesce::detail
