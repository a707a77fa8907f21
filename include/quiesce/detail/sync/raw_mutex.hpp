#pragma once
// The lock of Mutex<T> without its T: an atomic word, and a list of waiters for when it is wanted by several.
//
// The word, low to high:
//   held     1   somebody has it
//   waiters  1   somebody is in the list, or the lock is just being handed over
//   index   24   of the holder's record, and
//   generation 32  its life: who `held` is true for; 0 where no task locked
// Protocol:
//  1. Locking is one compare-exchange, free -> held by me. Unlocking is another, held by me -> free, which fails when `waiters` is set.
//     Nothing else is touched where nobody waits.
//  2. Who cannot lock takes the spin lock, puts its node into the list and sets `waiters`; if it finds the lock free instead, it
//     takes it, with `waiters` set, and hands it over (4).
//  3. While `waiters` is set only the holder of the spin lock changes the word: both compare-exchanges of 1 fail. So under the
//     spin lock a word with `waiters` is as stable as the list.
//  4. Handing over, under the spin lock and by who owns the lock: the word says that the first of the list has it, still with
//     `waiters`, and then its wait is claimed. A claim that is won ends it; `waiters` is cleared if the list is empty now. The new
//     holder may have gone on meanwhile: its unlock fails at `waiters` and queues at the spin lock. A claim that fails (a
//     request, or another branch of a select, was faster) leaves the ownership here, and the next is asked. Nobody left: free.
//  5. So the lock is never free while somebody waits, nobody overtakes, and whoever waits is served after those before it.
//  6. A waiter that leaves the list clears `waiters` if it was the last; it was not served, so the holder is another one.
// Orders: the compare-exchange that locks is acquire and pairs with the release of the one that unlocks, or of the store in 4 that
// frees. A hand-over is ordered by the claim (task_word.hpp). `waiters` and the list are ordered by the spin lock, so setting and
// clearing that bit is relaxed. Who holds the lock reads its own word, or what was written before its claim: relaxed.
#include <atomic>
#include <cstdint>
#include <optional>

#include "quiesce/detail/sync/primitive.hpp"
#include "quiesce/ids.hpp"

namespace quiesce {

/// A look at a mutex; the next moment it may be otherwise.
struct MutexStatistics {
  bool is_locked = false;
  TaskId holder;  // not valid: nobody, or code outside of any task
  std::uint32_t waiters = 0;
  std::uint64_t waited = 0;  // locks that had to sleep, since it was made
};

namespace detail {

class RawMutex {
 public:
  enum class Tried : std::uint8_t { Locked, Busy, Mine };

  explicit RawMutex(PrimitiveKind kind, Name name = {}) noexcept : primitive_(kind, name) {}

  /// Mine: the running task has it, and would wait for itself. The guard is to be counted by who makes one.
  Tried try_lock() noexcept;
  /// Of a lock that no guard was counted for.
  void unlock() noexcept;
  /// The running task has a guard.
  void count_guard() noexcept;
  /// A guard goes: it is counted no more, and unlocks. One that has escaped its task touches nothing of it.
  void unlock_guarded() noexcept;

  // As of an operation (sync/wait.hpp).
  void enlist(WaitNode& node) noexcept;
  bool delist(WaitNode& node) noexcept;
  WaitSubject subject() const noexcept;

  TaskId holder() const noexcept;
  MutexStatistics statistics() const noexcept;
  const Primitive& primitive() const noexcept { return primitive_; }

 private:
  static constexpr std::uint64_t held = 1, waiters = 2;
  static constexpr int index_shift = 8, generation_shift = 32;
  static std::uint64_t holder_bits(std::uint32_t index, std::uint32_t generation) noexcept {
    return (std::uint64_t{generation} << generation_shift) | (std::uint64_t{index} << index_shift);
  }
  static std::uint64_t holder_bits(const TaskRecord* task) noexcept {
    return task == nullptr ? 0 : holder_bits(task->index, task->generation.load(std::memory_order_relaxed));
  }
  static std::uint64_t holder_of(std::uint64_t word) noexcept { return word & ~(held | waiters); }
  void unlock(std::uint64_t seen, const TaskRecord* task) noexcept;
  void unlock_waited_for() noexcept;
  /// 4, under the spin lock.
  void hand_over(WakeList& woken) noexcept;

  std::atomic<std::uint64_t> word_{0};
  Primitive primitive_;
  WaitList list_;  // under the spin lock
};

/// What the operations that lock a RawMutex have in common, whatever guard they give.
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
  void enlist(WaitNode& node) noexcept { mutex_->enlist(node); }
  bool delist(WaitNode& node) noexcept { return mutex_->delist(node); }
  bool keep_place(WaitNode& node, Waiter waiter) noexcept {
    const Primitive::Hold hold(mutex_->primitive());
    return Primitive::keep_place(node, waiter);
  }
  void give_back() noexcept {
    if (!mine_) mutex_->unlock();
  }
  WaitSubject subject() const noexcept { return mutex_->subject(); }

 protected:
  /// Has the running task locked it before? Else its guard is counted, and it is inside.
  bool is_refused() noexcept {
    if (!mine_) mutex_->count_guard();
    return mine_;
  }
  Error why_refused() const;
  RawMutex* mutex_;

 private:
  bool mine_ = false;
};

/// Why the running task may not lock what it has locked.
Error locked_by_itself(const Primitive& primitive, const char* has, const char* wants);

}  // namespace detail
}  // namespace quiesce
