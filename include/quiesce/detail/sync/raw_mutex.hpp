#pragma once
// The lock of Mutex<T> without its T: an atomic word (mutex_word.hpp), and a list of waiters for when it is wanted by several.
//
// Protocol (models/raw_mutex.pml checks it):
//  1. Locking is one compare-exchange, free -> held by me. Unlocking is another, held by me -> free. Nothing else is touched where
//     nobody waits. While somebody waits, a lock by that compare-exchange is one *in passing*; the holder counts it (`passed_`).
//  2. Who cannot lock takes the spin lock, puts its node into the list and sets `waiters`. If it finds the lock free instead, it takes
//     it and hands it over (4), unless somebody has been called (3): that one will be there, so the node stays.
//  3. An unlock that finds waiters, and nobody called, takes the spin lock and *calls* the first in line: its node leaves the list, its
//     wait is claimed, and the word says `called` and is free. So at most one is called at a time, and meanwhile others lock and
//     unlock in passing with nothing but 1. A claim that fails (a request was faster) calls the next; nobody left: free.
//  4. An unlock *hands over*, also under the spin lock, where the first in line is not to be passed: passed_ has come to
//     `mutex_passes_max`, or it has been called before, or its operation can only be granted (one that stands in a select or has a
//     deadline, or the lock that a condition variable must have back). The word names it as the holder, and then its wait is claimed;
//     a claim that fails leaves the ownership here, and the next is asked. One that has been called and has not answered is
//     only named: it is awake.
//  5. The called one *answers* when it is stepped, under the spin lock: the lock is free or has been handed to it, and it has it, and
//     passed_ begins again at 0; or another holds it: then it waits once more, at the front of the list and no longer called, and 4 is
//     its next unlock. It is in no list meanwhile, and nobody else is called or handed the lock before it.
//  6. A called one that goes (a request when it would wait once more, a frame that is destroyed) passes it on: it takes the lock if it is
//     free or its own, and does for the list what an unlock does; if another has it, it takes `called` away, and that
//     one's unlock is as in 3.
//  7. So a lock that is free while somebody waits has been called for, and the called one is on its way. Between two that are served
//     from the list at most `mutex_passes_max` lock in passing: nobody starves, and the bound is a count.
//  8. A waiter that leaves the list clears `waiters` if it was the last and nobody is called.
// Who changes the word: while somebody has it and nobody is called, or nobody may pass, only the holder of the spin lock does: both
// compare-exchanges of 1 fail. Else these may come in between, so it is changed by compare-exchange there, too.
// Orders: a compare-exchange that locks is acquire and pairs with the release that freed the word. A hand-over is ordered by the claim
// (task_word.hpp), or by the spin lock where the one it is handed to had been called. `waiters`, `called` and the list are
// ordered by the spin lock, so setting and clearing these bits is relaxed. passed_ belongs to the holder, as the value does. Who
// holds the lock reads its own word, or what was written before its claim: relaxed.
#include <atomic>
#include <cstdint>
#include <optional>

#include "quiesce/detail/sync/mutex_word.hpp"
#include "quiesce/detail/sync/primitive.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/ids.hpp"

namespace quiesce {

/// How many may lock a mutex in passing before the task that is first in line is handed it. Each change of task costs some twenty
/// uncontended locks, so that it is a small part of so many; and a task that never gives way makes fewer than poll_budget (128)
/// locks a step, so that the next in line gets it within a step of whoever passes.
inline constexpr std::uint32_t mutex_passes_max = 64;

/// A look at a mutex; the next moment it may be otherwise.
struct MutexStatistics {
  bool is_locked = false;
  TaskId holder;  // not valid: nobody, or code outside of any task
  std::uint32_t waiters = 0;
  std::uint64_t waited = 0;  // sleeps for it, since it was made; one that was called in vain sleeps twice
};

namespace detail {

class RawMutex {
 public:
  enum class Tried : std::uint8_t { Locked, Busy, Mine };

  explicit RawMutex(PrimitiveKind kind, Name name = {}) noexcept : primitive_(kind, name) {}

  /// Mine: the running task has it, and would wait for itself. The guard is to be counted by who makes one.
  Tried try_lock() noexcept;
  /// The same of a task whose kernel tells nobody (TaskRecord::watched); its guard is counted. False also where it might have it,
  /// for another has changed the word meanwhile.
  bool lock_at_once(TaskRecord& task) noexcept {
    const std::uint64_t me =
        MutexWord::holder_bits(task.index, task.generation.load(std::memory_order_relaxed));
    MutexWord seen = load();
    const mutex_word::Next next = mutex_word::lock(seen, me);
    if (!next || !exchange(seen, *next, std::memory_order_acquire)) return false;
    if (seen.waiters()) [[unlikely]]
      ++passed_;
    task.held.add(primitive_.who());
    return true;
  }
  /// Of a lock that no guard was counted for.
  void unlock() noexcept;
  /// The running task has a guard.
  void count_guard() noexcept;
  /// A guard goes: it is counted no more, and unlocks. One that has escaped its task touches nothing of it.
  void unlock_guarded() noexcept;

  /// How one waits: to be handed the lock, or to be called, for the first time or once more.
  enum class Comes : std::uint8_t { ToBeHanded, ToBeCalled, Again };
  void enlist(WaitNode& node, Comes how) noexcept;
  /// True: it has been handed the lock, or called.
  bool delist(WaitNode& node) noexcept;
  /// By a task that waited to be called, and was: it has the lock. Else it is to come again, or to decline.
  bool answer() noexcept;
  void decline() noexcept;
  WaitSubject subject() const noexcept;

  TaskId holder() const noexcept;
  MutexStatistics statistics() const noexcept;
  const Primitive& primitive() const noexcept { return primitive_; }

 private:
  bool try_lock(std::uint64_t me) noexcept {
    MutexWord seen = load();
    // Who loses looks again only if somebody else has changed the word, and it is free still.
    while (const mutex_word::Next next = mutex_word::lock(seen, me)) {
      if (!exchange(seen, *next, std::memory_order_acquire)) continue;
      if (seen.waiters()) [[unlikely]]
        ++passed_;
      return true;
    }
    return false;
  }
  MutexWord load() const noexcept { return {word_.load(std::memory_order_relaxed)}; }
  void store(mutex_word::Next next, std::memory_order order = std::memory_order_relaxed) noexcept;
  bool exchange(MutexWord& seen, MutexWord next, std::memory_order order) noexcept {
    return word_.compare_exchange_strong(seen.bits, next.bits, order, std::memory_order_relaxed);
  }
  void unlock(MutexWord seen, const TaskRecord* task) noexcept;
  void unlock_waited_for() noexcept;
  // By who owns the lock, under the spin lock:
  void pass_on(WakeList& woken) noexcept;
  void hand_over(WakeList& woken) noexcept;
  bool call_front(WakeList& woken) noexcept;
  bool hand_to_front(WakeList& woken) noexcept;
  void release() noexcept;

  std::atomic<std::uint64_t> word_{0};
  std::uint32_t passed_ = 0;  // the holder's: locks in passing since one from the list was served
  std::uint32_t called_ = 0;  // under the spin lock: the record of the called one
  Primitive primitive_;
  WaitList list_;  // under the spin lock
};
static_assert(sizeof(RawMutex) == 56);

/// What the operations that lock a RawMutex have in common, whatever guard they give. In a select or with a deadline it is handed the lock;
/// where it is all that its task waits for it is called, and looks again (wait.hpp).
class RawLockOperation {
 public:
  using error_type = Error;
  static constexpr const char* what = "a mutex";

  explicit RawLockOperation(RawMutex& mutex) noexcept : mutex_(&mutex) {}
  bool try_now() noexcept {
    const RawMutex::Tried tried = mutex_->try_lock();
    mine_ = tried == RawMutex::Tried::Mine;
    return tried != RawMutex::Tried::Busy;
  }
  void enlist(WaitNode& node) noexcept { mutex_->enlist(node, RawMutex::Comes::ToBeHanded); }
  bool delist(WaitNode& node) noexcept { return mutex_->delist(node); }
  bool keep_place(WaitNode& node, Waiter waiter) noexcept {
    const Primitive::Hold hold(mutex_->primitive());
    return Primitive::keep_place(node, waiter);
  }
  void give_back() noexcept {
    if (!mine_) mutex_->unlock();
  }
  WaitSubject subject() const noexcept { return mutex_->subject(); }

  // As of one that is waited for alone.
  using Alone = RawLockOperation;
  static const OperationOps alone_ops;
  bool at_once(TaskRecord& task) noexcept { return mutex_->lock_at_once(task); }

 protected:
  /// Has the running task locked it before? Else its guard is counted, and it is inside.
  bool is_refused() noexcept {
    if (!mine_) mutex_->count_guard();
    return mine_;
  }
  Error why_refused() const;
  RawMutex* mutex_;

 private:
  struct AloneOps;
  enum class Call : std::uint8_t { None, Came, InVain };
  bool mine_ = false;
  Call call_ = Call::None;
  std::uint8_t rest_[6] = {};  // a whole word is stored, as it is loaded when the wait is copied
};

/// Why the running task may not lock what it has locked.
Error locked_by_itself(const Primitive& primitive, const char* has, const char* wants);

}  // namespace detail
}  // namespace quiesce
