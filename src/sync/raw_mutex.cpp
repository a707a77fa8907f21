#include "quiesce/detail/sync/raw_mutex.hpp"

#include <string>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/coro/promise.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce::detail {

namespace {

/// As Primitive::note_use, where the running task is at hand.
[[gnu::noinline]] void note(const Primitive& primitive, const TaskRecord* task, Use how) noexcept {
  if (task != nullptr && task->watched) task->kernel().use(primitive.logical(), how);
}

std::uint64_t holder_bits(const TaskRecord* task) noexcept {
  return task == nullptr
             ? 0
             : MutexWord::holder_bits(task->index, task->generation.load(std::memory_order_relaxed));
}
/// Of one that waits, or was called: its record is in the same life.
std::uint64_t holder_bits(std::uint32_t index) noexcept { return holder_bits(TaskSlab::find(index)); }

}  // namespace

void RawMutex::store(mutex_word::Next next, std::memory_order order) noexcept {
  QUIESCE_ASSERT(next, "who owns a mutex knows its word");
  word_.store((*next).bits, order);
}

// The conflict of a failed try is with the one that unlocks: a read.
RawMutex::Tried RawMutex::try_lock() noexcept {
  const TaskRecord* task = current_task();
  const std::uint64_t me = holder_bits(task);
  if (try_lock(me)) {
    note(primitive_, task, Use::Write);
    return Tried::Locked;
  }
  note(primitive_, task, Use::Read);
  return me != 0 && load().holder() == me ? Tried::Mine : Tried::Busy;
}

void RawMutex::unlock() noexcept { unlock(load(), thread_context.running); }

inline void RawMutex::unlock(MutexWord seen, const TaskRecord* task) noexcept {
  const mutex_word::Next next = mutex_word::unlock(seen, passed_ < mutex_passes_max);
  if (!next) [[unlikely]]
    return unlock_waited_for();
  if (!exchange(seen, *next, std::memory_order_release)) [[unlikely]]
    return unlock_waited_for();
  if (task != nullptr && task->watched) [[unlikely]]
    note(primitive_, task, Use::Write);
}

// Apart from the fast path, which would else pay for its frame.
[[gnu::noinline]] void RawMutex::unlock_waited_for() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  pass_on(woken);
}

void RawMutex::unlock_guarded() noexcept {
  TaskRecord* task = thread_context.running;
  const MutexWord seen = load();
  if (task != nullptr && seen.holder() == holder_bits(task)) [[likely]]
    release_guard(*task, primitive_.who());
  unlock(seen, task);
}

void RawMutex::release() noexcept {
  passed_ = 0;
  store(mutex_word::release(load()), std::memory_order_release);
}

/// 3. It is in the list, so it waits, or is about to come and leave it.
bool RawMutex::call_front(WakeList& woken) noexcept {
  called_ = list_.front()->waiter.index();
  if (!primitive_.grant_front(list_, woken)) return false;
  store(mutex_word::call(load()), std::memory_order_release);
  return true;
}

/// 4. The new holder may have gone on before this returns: its unlock fails at `waiters`, and queues at the spin lock.
bool RawMutex::hand_to_front(WakeList& woken) noexcept {
  store(mutex_word::hand_over(load(), holder_bits(list_.front()->waiter.index())));
  passed_ = 0;
  if (!primitive_.grant_front(list_, woken)) return false;
  if (list_.empty()) word_.fetch_and(~MutexWord::waiters_bit, std::memory_order_relaxed);
  return true;
}

void RawMutex::pass_on(WakeList& woken) noexcept {
  if (load().called()) {
    store(mutex_word::hand_over(load(), holder_bits(called_)));
    passed_ = 0;
    return;
  }
  while (!list_.empty()) {
    const bool calls = list_.front()->is_special() && passed_ < mutex_passes_max;
    if (calls ? call_front(woken) : hand_to_front(woken)) return;
  }
  release();
}

void RawMutex::hand_over(WakeList& woken) noexcept {
  while (!list_.empty()) {
    if (hand_to_front(woken)) return;
  }
  release();
}

void RawMutex::enlist(WaitNode& node, Comes how) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  const std::uint64_t me = holder_bits(node.waiter.index());
  node.set_special(how == Comes::ToBeCalled);  // else it is only handed the lock
  if (how == Comes::Again) node.set_missed();  // to the front
  primitive_.enlist(list_, node);
  for (MutexWord seen = load();;) {
    if (!seen.held() && seen.called() && how != Comes::Again) return;
    mutex_word::Next next = how == Comes::Again ? mutex_word::decline(seen, me, true) : mutex_word::queue(seen);
    if (next) {
      if (exchange(seen, *next, std::memory_order_relaxed)) return;
    } else if (exchange(seen, *mutex_word::seize(seen, me), std::memory_order_acquire)) {
      return hand_over(woken);
    }
  }
}

bool RawMutex::delist(WaitNode& node) noexcept {
  const Primitive::Hold hold(primitive_);
  const bool granted = primitive_.delist(list_, node);
  if (list_.empty() && !load().called()) word_.fetch_and(~MutexWord::waiters_bit, std::memory_order_relaxed);
  return granted;
}

bool RawMutex::answer() noexcept {
  const std::uint64_t me = holder_bits(thread_context.running);
  MutexWord seen = load();
  if (!seen.called() && seen.holder() == me) return true;  // it was handed over
  // What changes from here on it finds when it comes again, or declines, under the spin lock.
  if (seen.held() && seen.holder() != me) return false;
  const Primitive::Hold hold(primitive_);
  seen = load();
  while (const mutex_word::Next next = mutex_word::answer(seen, me, !list_.empty())) {
    if (!exchange(seen, *next, std::memory_order_acquire)) continue;
    passed_ = 0;
    return true;
  }
  return false;
}

void RawMutex::decline() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  const std::uint64_t me = holder_bits(thread_context.running);
  for (MutexWord seen = load();;) {
    if (!seen.called()) return pass_on(woken);  // it was handed over, and is this task's
    if (const mutex_word::Next next = mutex_word::decline(seen, me, !list_.empty())) {
      if (exchange(seen, *next, std::memory_order_relaxed)) return;
    } else if (exchange(seen, *mutex_word::seize(seen, me), std::memory_order_acquire)) {
      return pass_on(woken);
    }
  }
}

void RawMutex::count_guard() noexcept {
  if (TaskRecord* task = current_task()) hold_guard(*task, primitive_.who());
}

TaskId RawMutex::holder() const noexcept {
  const MutexWord seen = load();
  return {seen.index(), seen.generation()};
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
  const MutexWord seen = load();
  const bool one_is_called = seen.called() && !(seen.held() && seen.index() == called_);
  return {seen.held(),
          {seen.index(), seen.generation()},
          primitive_.waiting() + one_is_called,
          primitive_.waited()};
}

// ---- a lock that is all that its task waits for ----

struct RawLockOperation::AloneOps {
  static RawLockOperation& of(void* op) noexcept { return *static_cast<RawLockOperation*>(op); }
  static bool try_now(void* op) noexcept { return of(op).try_now(); }
  static void enlist(void* erased, WaitNode& node) noexcept {
    RawLockOperation& op = of(erased);
    const bool again = std::exchange(op.call_, Call::None) == Call::InVain;
    op.mutex_->enlist(node, again ? RawMutex::Comes::Again : RawMutex::Comes::ToBeCalled);
  }
  static bool delist(void* erased, WaitNode& node) noexcept {
    RawLockOperation& op = of(erased);
    if (op.mutex_->delist(node)) op.call_ = Call::Came;
    return op.call_ == Call::Came;
  }
  static Look again(void* erased, std::exception_ptr&) noexcept {
    RawLockOperation& op = of(erased);
    if (op.call_ == Call::None) return Look::Yes;  // it was locked at once
    op.call_ = op.mutex_->answer() ? Call::None : Call::InVain;
    return op.call_ == Call::None ? Look::Yes : Look::NotYet;
  }
  static void give_back(void* erased) noexcept {
    RawLockOperation& op = of(erased);
    if (std::exchange(op.call_, Call::None) == Call::None) return op.give_back();
    op.mutex_->decline();
  }
  static WaitSubject subject(const void* op) noexcept {
    return static_cast<const RawLockOperation*>(op)->subject();
  }
  static constexpr OperationMore more{again, nullptr, nullptr, nullptr, nullptr};
};

const OperationOps RawLockOperation::alone_ops{AloneOps::try_now,   AloneOps::enlist,  AloneOps::delist,
                                               AloneOps::give_back, AloneOps::subject, nullptr,
                                               &AloneOps::more,     nullptr,           false};

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
